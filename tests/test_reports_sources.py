"Containers that people have, read or refused with the cure that works (cases e16, e18, e23, e25; faults 4, 7 and 8)."

import gzip
import importlib.util
import json
import sys
import time
import types
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from ftcourse import evaluate_model, load_model, load_task
from ftcourse.core.errors import CourseError
from ftcourse.core.settings import settings
from ftcourse.data.load.columns import suggest_call
from ftcourse.data.load.load import task_to_score
from ftcourse.data.load.readers import read_rows
from ftcourse.data.problems import BadRows

CASES = Path(__file__).resolve().parent.parent.parent / "shared" / "cases" / "turn2"
ROWS = [{"text": f"the lamp in room {i} was bright", "label": ("bad", "good")[i % 2]} for i in range(40)]
FRAME = pd.DataFrame(ROWS)
NAMED = Features(text=Value("string"), label=ClassLabel(names=["good", "bad"]))
CODED = [{"text": r["text"], "label": int(r["label"] == "bad")} for r in ROWS]


def case(name):
    if not (CASES / name).exists():
        pytest.skip("the cases are not beside the repository")
    return CASES / name


def content(task):
    "(text, label) of every row of a task, in order of the text."
    names = lambda x: task.labels[x] if isinstance(x, int) else x
    return sorted((r["text"], names(r["label"])) for rows in task.splits.values() for r in rows)


WANTED = sorted((r["text"], r["label"]) for r in ROWS)


class PolarsLike:
    "What is used of a polars DataFrame, where polars is not installed."

    columns = ["text", "label"]

    def iter_rows(self):
        return iter((r["text"], r["label"]) for r in ROWS)


# e16: DataFrames and columns


@pytest.mark.parametrize(
    "given",
    [
        FRAME,
        FRAME.astype({"label": "category"}),
        PolarsLike(),
        FRAME.to_dict("list"),
        {"text": FRAME.text, "label": FRAME.label.to_numpy()},
        pa.table(FRAME.to_dict("list")),
        tuple(ROWS),
    ],
    ids=["pandas", "categorical", "polars", "columns", "series", "pyarrow", "tuple"],
)
def test_e16_rows_in_memory_are_one_table(given):
    assert content(load_task(given)) == WANTED
    assert len(task_to_score(given).test) == 40
    both = load_task({"train": given, "test": given})
    assert len(both.test) == 40


def test_e16_real_polars():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(ROWS)
    assert content(load_task(frame)) == WANTED
    with pytest.raises(CourseError, match=r"\.collect\(\)"):
        load_task(frame.lazy())


def test_e16_a_frame_is_evaluated_whole():
    model = load_model("tiny-bert", head="classify", labels=["bad", "good"])
    assert evaluate_model(model, FRAME).rows == 40


def test_e16_nulls_of_every_spelling_are_no_label():
    for missing in (None, float("nan"), pd.NA):
        frame = FRAME.assign(label=[missing, *FRAME.label[1:]])
        task = load_task(frame)
        assert len(task.unlabelled) == 1
        assert task.labels == ["bad", "good"]
    codes = FRAME.assign(label=[None, *(i % 2 for i in range(39))])  # becomes a column of floats
    assert load_task(codes).labels == ["0", "1"]
    with pytest.raises(BadRows, match="data row 3: 'text' is null"):
        load_task(FRAME.assign(text=[*FRAME.text[:3], None, *FRAME.text[4:]]))


def test_e16_categories_are_the_classes():
    order = pd.Categorical(FRAME.label, categories=["good", "fair", "bad"])
    assert load_task(FRAME.assign(label=order)).labels == ["good", "fair", "bad"]


def test_e16_columns_by_number_twice_and_of_other_lengths():
    numbered = load_task(FRAME.set_axis([0, 1], axis=1), text=0, label=1)
    assert numbered.labels == ["bad", "good"]
    with pytest.raises(CourseError, match="several columns named 'label'"):
        load_task(pd.concat([FRAME, FRAME.label], axis=1))
    with pytest.raises(CourseError, match="'text' has 1, 'label' has 2"):
        load_task({"text": ["a"], "label": ["b", "c"]})


def test_e16_what_is_no_table_names_the_call():
    with pytest.raises(CourseError, match=r"to_frame\('text'\)"):
        load_task(FRAME.text)
    with pytest.raises(CourseError, match="train: a set is no data source"):
        load_task({"train": {1, 2}})
    with pytest.raises(CourseError, match="none is named train"):
        load_task({"reviews": ROWS, "more": ROWS})


# e18: what Dataset.save_to_disk writes


def test_e18_the_saved_case():
    folder = case("e18-save-to-disk.saved")
    task = load_task(folder)
    assert task.labels == ["bad", "good"]
    assert content(task) == content(load_task(folder / "data-00000-of-00001.arrow"))
    assert len(task_to_score(folder).test) == 12


def test_e18_saved_folders_and_arrow_files_keep_their_classes(tmp_path):
    whole = Dataset.from_list(CODED, features=NAMED)
    whole.save_to_disk(tmp_path / "one")
    DatasetDict(train=whole, test=whole.select(range(4)), extra=whole).save_to_disk(tmp_path / "three")
    file = next((tmp_path / "one").glob("*.arrow"))
    whole.to_parquet(tmp_path / "one.parquet")
    for source in (tmp_path / "one", file, tmp_path / "one.parquet"):
        task = load_task(source)
        assert task.labels == ["good", "bad"]
        assert content(task) == WANTED
        assert len(task_to_score(source).test) == 40
    several = load_task(tmp_path / "three")
    assert len(several.test) == 4
    assert any("'extra' is left out" in note for note in several.notes)
    split = load_task({"train": tmp_path / "three" / "train", "test": tmp_path / "three" / "test"})
    assert len(split.test) == 4
    with pytest.raises(CourseError, match="splits of its own"):
        load_task({"train": tmp_path / "three"})
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(CourseError, match="save_to_disk"):
        load_task(tmp_path / "one")


def test_e18_feather(tmp_path):
    with pa.OSFile(str(tmp_path / "x.feather"), "wb") as f:
        table = pa.table(FRAME.to_dict("list"))
        with pa.ipc.new_file(f, table.schema) as out:
            out.write_table(table)
    assert content(load_task(tmp_path / "x.feather")) == WANTED


# packed files, spreadsheets


def test_packed_tables(tmp_path):
    FRAME.to_csv(tmp_path / "a.csv.gz", index=False)
    FRAME.to_csv(tmp_path / "b.csv.zip", index=False)
    FRAME.to_csv(tmp_path / "c.zip", index=False)
    FRAME.to_json(tmp_path / "d.jsonl.gz", orient="records", lines=True)
    FRAME.to_parquet(tmp_path / "e.parquet")
    (tmp_path / "e.parquet.gz").write_bytes(gzip.compress((tmp_path / "e.parquet").read_bytes()))
    FRAME.to_csv(tmp_path / "f.tsv.gz", index=False, sep="\t")
    for name in ("a.csv.gz", "b.csv.zip", "c.zip", "d.jsonl.gz", "e.parquet.gz", "f.tsv.gz"):
        assert content(load_task(tmp_path / name)) == WANTED, name
        assert len(task_to_score(str(tmp_path / name)).test) == 40
    (tmp_path / "splits").mkdir()
    for split in ("train", "test"):
        FRAME.to_csv(tmp_path / "splits" / f"{split}.csv.gz", index=False)
    assert len(load_task(tmp_path / "splits").test) == 40


def test_packed_files_that_cannot_be_read(tmp_path):
    packed = gzip.compress(FRAME.to_csv(index=False).encode())
    (tmp_path / "cut.csv.gz").write_bytes(packed[:-20])
    (tmp_path / "plain.csv.gz").write_bytes(b"text,label\na,1\n")
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4 and no more")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as z:
        z.writestr("train.csv", "text,label\na,1\n")
        z.writestr("test.csv", "text,label\na,1\n")
        z.writestr("__MACOSX/._test.csv", "x")
    for name, says in [
        ("cut.csv.gz", "cannot be unpacked"),
        ("plain.csv.gz", "Not a gzipped file"),
        ("broken.zip", "not a whole zip"),
        ("two.zip", "holds train.csv, test.csv, not one table"),
    ]:
        with pytest.raises(CourseError, match=says) as e:
            load_task(tmp_path / name)
        assert name in str(e.value)


def test_a_spreadsheet_is_refused_with_the_cure_or_read(tmp_path, monkeypatch):
    (tmp_path / "x.xlsx").write_bytes(b"PK\3\4")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(CourseError, match=r"CSV UTF-8.*pandas\.read_excel"):
        load_task(tmp_path / "x.xlsx")


def sheets(**titles):
    "A stand-in for openpyxl, whose file holds these sheets."
    book = types.SimpleNamespace(worksheets=[types.SimpleNamespace(title=t, values=v) for t, v in titles.items()])
    return types.SimpleNamespace(load_workbook=lambda file, **how: book)


def test_a_spreadsheet_by_its_reader(tmp_path, monkeypatch):
    (tmp_path / "x.xlsx").write_bytes(b"PK\3\4")
    cells = [(None, None, None), ("text", "label", None), ("fine", 1, None), (None, None, None), ("poor", 0, None)]
    monkeypatch.setitem(sys.modules, "openpyxl", sheets(one=cells, empty=[]))
    rows = list(read_rows(tmp_path / "x.xlsx", []))
    assert rows == [(3, {"text": "fine", "label": 1}), (5, {"text": "poor", "label": 0})]
    monkeypatch.setitem(sys.modules, "openpyxl", sheets(one=cells, two=cells))
    with pytest.raises(CourseError, match="2 sheets with rows"):
        list(read_rows(tmp_path / "x.xlsx", []))


@pytest.mark.skipif(not importlib.util.find_spec("openpyxl"), reason="openpyxl is not installed")
def test_a_real_spreadsheet(tmp_path):
    FRAME.to_excel(tmp_path / "x.xlsx", index=False)
    assert content(load_task(tmp_path / "x.xlsx")) == WANTED


# e25: tables in text files


def test_e25_the_case():
    task = load_task(case("e25-excel-unicode-text.x_u16.txt"))
    assert (task.kind, task.labels) == ("classify", ["bad", "good"])
    assert sum(map(len, task.splits.values())) == 12
    assert any("is read as a table" in note for note in task.notes)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("sep", ["\t", ",", ";"])
def test_e25_a_header_makes_a_table(tmp_path, encoding, sep):
    FRAME.to_csv(tmp_path / "x.txt", sep=sep, index=False, encoding=encoding)
    assert content(load_task(tmp_path / "x.txt")) == WANTED
    assert len(task_to_score(tmp_path / "x.txt").test) == 40


def test_e25_tabs_on_every_line_make_a_table(tmp_path):
    lines = [f"{r['label']}\t{r['text']}, and so on and on and on\n" for r in ROWS]
    (tmp_path / "sms.txt").write_text("".join(lines))
    with pytest.raises(CourseError, match="text=1, label=0"):
        load_task(tmp_path / "sms.txt")
    assert load_task(tmp_path / "sms.txt", text=1, label=0).labels == ["bad", "good"]


def test_e25_plain_text_stays_plain(tmp_path):
    for i, text in enumerate(("a text, with commas\nlabel, too\n", "one\ttab\nnone\n", "a\n\nb\tc\n", "\n", "")):
        (tmp_path / f"{i}.txt").write_text(text)
        if text.strip():
            assert load_task(tmp_path / f"{i}.txt").kind == "lm"
    table = tmp_path / "x.txt"
    FRAME.to_csv(table, sep="\t", index=False)
    lines = load_task(table, pattern="(?P<text>.*)", kind="lm")
    assert sum(map(len, lines.splits.values())) == 41


def test_empty_columns_at_the_end_and_a_quoted_separator(tmp_path):
    body = "".join(f"{r['text']};{r['label']};;\n" for r in ROWS)
    (tmp_path / "x.csv").write_text(f'"sep=;"\ntext;label;;\n{body}')
    assert content(load_task(tmp_path / "x.csv")) == WANTED
    (tmp_path / "x.csv").write_text("text;label;;\nfine;1;;\nfine;1;;x\n")
    with pytest.raises(BadRows, match=r"x\.csv:3: 4 fields, expected 2"):
        load_task(tmp_path / "x.csv")


# e23: exports of annotation tools


def studio(i, *people):
    "A task of Label Studio; each person is the choices made."
    done = [
        {"result": [{"type": "choices", "from_name": "verdict", "value": {"choices": list(c)}}] if c else []}
        for c in people
    ]
    return {"id": i, "data": {"text": f"the lamp in room {i} was bright"}, "annotations": done}


def saved(path, rows):
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_e23_the_case():
    task = load_task(case("e23-label-studio-json.ls_full.json"))
    assert task.labels == ["bad", "good"]
    assert len(task.unlabelled) == 3
    assert sum(map(len, task.splits.values())) == 9


def test_e23_label_studio(tmp_path):
    tasks = [studio(i, ["good"] if i % 2 else ["bad"]) for i in range(40)]
    file = saved(tmp_path / "x.json", tasks)
    assert content(load_task(file)) == WANTED
    assert load_task(file, label="verdict").labels == ["bad", "good"]
    skipped = studio(40, ["bad"])
    skipped["annotations"][0]["was_cancelled"] = True
    task = load_task(saved(file, [*tasks, studio(41, []), studio(42), skipped]))
    assert len(task.unlabelled) == 3
    several = load_task(
        saved(file, [*tasks, studio(43, ["good", "bad"]), studio(44, ["bad", "good"], ["good", "bad"])])
    )
    assert several.kind == "multilabel"
    assert several.labels == ["bad", "good"]


def test_e23_people_who_disagree_are_a_problem(tmp_path):
    tasks = [studio(i, ["good"] if i % 2 else ["bad"]) for i in range(40)]
    file = saved(tmp_path / "x.json", [*tasks, studio(40, ["good"], ["bad"]), studio(41, ["good"], ["good"])])
    with pytest.raises(BadRows, match=r"x\.json element 40 \(the first is 0\): people disagree"):
        load_task(file)
    task = load_task(file, on_bad="skip")
    assert sum(map(len, task.splits.values())) == 41


def test_e23_spans_are_refused_by_name(tmp_path):
    task = studio(0)
    span = {"type": "labels", "from_name": "label", "value": {"start": 0, "end": 3, "labels": ["PER"]}}
    task["annotations"] = [{"result": [span]}]
    with pytest.raises(CourseError, match="'labels'.*classifications"):
        load_task(saved(tmp_path / "x.json", [task]))


def test_e23_json_min(tmp_path):
    extra = {"annotator": 1, "annotation_id": 7, "lead_time": 1.5, "created_at": "2024-05-01T10:00:00Z"}
    rows = [{"id": i, "text": r["text"], "sentiment": r["label"], **extra} for i, r in enumerate(ROWS)]
    assert load_task(saved(tmp_path / "x.json", rows)).labels == ["bad", "good"]
    rows[3]["sentiment"] = {"choices": ["bad", "good"]}
    assert load_task(saved(tmp_path / "x.json", rows)).kind == "multilabel"


@pytest.mark.parametrize("form", ["nested", "feedback", "flat", "one"])
def test_e23_argilla(tmp_path, form):
    def record(text, label):
        if form == "nested":
            said = {"verdict": [{"value": label, "user_id": "u"}] if label else []}
            return {"id": "x", "fields": {"text": text}, "responses": said, "suggestions": {}}
        if form == "feedback":
            values = {"verdict": {"value": label}} if label else {}
            return {"fields": {"text": text}, "responses": [{"values": values, "status": "submitted"}]}
        if form == "flat":
            said = [label] if label else None
            return {
                "text": text,
                "verdict.responses": said,
                "verdict.responses.status": ["submitted"] if said else None,
            }
        return {"text": text, "inputs": {"text": text}, "prediction": None, "annotation": label, "status": "Validated"}

    records = [record(**r) for r in ROWS] + [record("nobody has read this yet", None)]
    task = load_task(saved(tmp_path / "x.json", records))
    assert content(task) == WANTED
    assert len(task.unlabelled) == 1


# JSON: elements, orientations, what cannot be read


def test_an_element_is_told_by_its_number(tmp_path):
    file = saved(tmp_path / "x.json", [*ROWS[:3], {"text": 5, "label": "bad"}, 7, *ROWS[3:]])
    with pytest.raises(BadRows) as e:
        load_task(file)
    said = str(e.value)
    assert "x.json element 3 (the first is 0): 'text' is not a string" in said
    assert "x.json element 4 (the first is 0): a number, not an object" in said
    assert [p.line for p in e.value.problems] == [3, 4]


@pytest.mark.parametrize("orient", ["columns", "index", "records", "split", "table"])
def test_json_as_pandas_writes_it(tmp_path, orient):
    FRAME.to_json(tmp_path / "x.json", orient=orient)
    assert content(load_task(tmp_path / "x.json")) == WANTED


def test_json_of_columns(tmp_path):
    assert content(load_task(saved(tmp_path / "x.json", FRAME.to_dict("list")))) == WANTED


@pytest.mark.parametrize(
    "text",
    [
        "[" * 3000 + "]" * 3000,
        '[{"text": "a", "label": ' + "1" * 5000 + "}]",
        '{"data": [{"text": "a", "label": ' + "1" * 5000 + "}]}",
        '{"data": [5]}',
        '{"data": ["paragraphs"]}',
        '{"data": [{"paragraphs": [5]}]}',
        '{"data": [{"paragraphs": [{"context": "a", "qas": [5]}]}]}',
        '{"data": [{"paragraphs": [{"context": "a", "qas": [{"question": "a", "answers": [5]}]}]}]}',
        '{"columns": ["a", "b"], "data": [["a"]]}',
    ],
)
def test_json_that_cannot_be_read(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(CourseError, match=r"x\.json"):
        load_task(tmp_path / "x.json", on_bad="skip")


def test_json_lines_that_cannot_be_read_are_problems(tmp_path):
    lines = ['{"text": "a", "label": ' + x + "}" for x in ("[" * 3000 + "]" * 3000, "1" * 5000)]
    (tmp_path / "x.jsonl").write_text("\n".join([*map(json.dumps, ROWS), *lines]))
    task = load_task(tmp_path / "x.jsonl", on_bad="skip")
    assert [p.line for p in task.problems] == [41, 42]
    assert "nested too deeply" in task.problems[0].what
    assert "4,300 digits" in task.problems[1].what


# faults 7: time


def seconds_for(path, text):
    path.write_text(text, newline="")
    began = time.process_time()
    load_task(path, on_bad="skip")
    return time.process_time() - began


@pytest.mark.parametrize("line", ['a""","\n', 'a,"b\n', '"a\n', '"a"x,"\n', 'a,"b","\n'])
def test_lines_that_each_open_a_quote_take_linear_time(tmp_path, line):
    head = "text,label\nfine,1\nbad,0\n"
    few, many = (seconds_for(tmp_path / "x.csv", head + line * n) for n in (1_000, 30_000))
    assert many < 60 * max(few, 0.02)
    assert many < 6


def test_open_quotes_give_the_rows_they_gave(tmp_path):
    from ftcourse.data.load.readers import quoted_rows

    text = ['"open,1\n', "a,0\n", 'b,"\n', "c,1\n", '"two\n', 'lines",1\n', 'd,"open\n', "e,1\n"]
    found = []
    rows = list(quoted_rows(iter(text), ",", "x.csv", found, 2))
    assert rows == [(2, ["a", "0"]), (4, ["c", "1"]), (5, ["two\nlines", "1"]), (8, ["e", "1"])]
    assert [p.line for p in found] == [1, 3, 7]


def test_a_field_of_50_mb_has_the_right_cure(tmp_path):
    long = "x" * 50_000_000
    for written in (long, f'"{long}"'):
        (tmp_path / "x.csv").write_text(f"text,label\n{written},a\nfine,b\n")
        with pytest.raises(BadRows, match=r"x\.csv:2: a field of more than 16,777,216 characters.*JSONL"):
            load_task(tmp_path / "x.csv")


# faults 8: only CourseErrors


@pytest.mark.parametrize("name", ["quoted-lone-cr.tsv", "lone-cr-as-pandas-writes-it.csv", "utf16-cut.txt"])
def test_faults_files(name):
    file = case("faults") / name
    try:
        task = load_task(file, on_bad="skip")
    except CourseError as e:
        assert name in str(e)
    else:
        assert not any('"' in text for text in task.train["text"])


@pytest.mark.parametrize("source", ["x" * 300, "~nobody-here/x.csv", "a\0b", {"train": ROWS, "test": "x" * 300}])
def test_names_that_the_system_refuses(source):
    with pytest.raises(CourseError, match="there is no file"):
        load_task(source)
    with pytest.raises(CourseError, match="there is no file"):
        task_to_score(source)


def test_a_split_whose_name_is_no_text_is_left_out_and_said():
    task = load_task({"train": ROWS, 5: ROWS})
    assert any("split 5 is left out" in note for note in task.notes)


def test_a_damaged_parquet_file_names_itself(tmp_path):
    pq.write_table(pa.table(FRAME.to_dict("list")), tmp_path / "x.parquet")
    spoilt = bytearray((tmp_path / "x.parquet").read_bytes())
    spoilt[5:9] = b"\xff" * 4
    (tmp_path / "x.parquet").write_bytes(bytes(spoilt))
    with pytest.raises(CourseError, match=r"x\.parquet is damaged behind row 0"):
        load_task(tmp_path / "x.parquet")
    pq.write_table(pa.table([["a"], ["b"]], names=["text", "text"]), tmp_path / "x.parquet")
    with pytest.raises(CourseError, match="several columns named 'text'"):
        load_task(tmp_path / "x.parquet")


def test_a_score_of_400_digits_is_a_problem():
    rows = [{"text": f"a {i}", "label": i / 7} for i in range(20)]
    task = load_task([*rows, {"text": "b", "label": 10**400}], kind="regress", on_bad="skip")
    assert [p.line for p in task.problems] == [20]


# settings.ini


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[tiny]\nencoder = a\nlr = 1e-3\nlr = 1e-4\n", 4, "'lr' twice"),
        ("[tiny]\nencoder = a\n[tiny]\nlr = 1e-4\n", 3, r"\[tiny\] stands twice"),
        ("seed = 1\n[tiny]\nencoder = a\n", 1, "above the first"),
        ("[tiny]\nencoder = a\nwhat is this\n", 3, "neither"),
        ("[tiny]\nencoder = a\nlr = 1e-4 \udce9\n", 3, "0xe9 is not UTF-8"),
    ],
)
def test_settings_that_cannot_be_read_name_file_and_line(tmp_path, monkeypatch, text, line, says):
    (tmp_path / "settings.ini").write_text(text, errors="surrogateescape")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CourseError, match=says) as e:
        settings("tiny")
    assert f"settings.ini:{line}" in str(e.value)


def test_settings_of_another_project_are_passed_by(tmp_path, monkeypatch):
    (tmp_path / "settings.ini").write_text("[DEFAULT]\nlib_name = x\nlib_name = y\n")
    monkeypatch.chdir(tmp_path)
    assert settings("tiny").file is None


@pytest.mark.parametrize(
    "line", ["seed = ²", "seed = " + "1" * 5000, "cache = ~nobody-here/x", "encoder = ./" + "x" * 300]
)
def test_settings_with_values_that_cannot_be_used(tmp_path, monkeypatch, line):
    (tmp_path / "settings.ini").write_text(f"[tiny]\nrows = 8\n{line}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CourseError, match=r"settings\.ini"):
        settings("tiny")


# cures name columns that can hold what they are named for

STARS = [
    {"review_id": f"R{i}", "body": f"a long text {i}", "review_date": f"2015-08-{i % 28 + 1:02}", "star_rating": 5}
    for i in range(200)
]


def suggested(rows):
    return suggest_call(list(rows[0]), rows[:100], None, "data")


def test_the_cure_for_five_star_reviews_is_the_rating():
    assert "label='star_rating'" in suggested(STARS)
    assert "review_date" not in suggested(STARS)


@pytest.mark.parametrize(
    "more",
    [
        {"meta": {"a": 1}},
        {"spans": [[0, 3, "PER"]]},
        {"createdAt": "2024-05-01T10:00:00Z"},
        {"user_id": 7},
        {"when": "01.02.2024"},
        {"photo": "https://example.org/1.png"},
    ],
)
def test_no_cure_names_objects_dates_ids_or_addresses(more):
    rows = [{"words": f"a long text {i}", **more, "mood": ("good", "bad")[i % 2]} for i in range(100)]
    assert suggested(rows) == "Pass text='words', label='mood'"
    alone = [{"words": f"a long text {i}", **more} for i in range(100)]
    assert next(iter(more)) not in suggested(alone)


def test_where_two_columns_could_be_the_label_both_are_named():
    rows = [{"words": f"a long text {i}", "country": "abc"[i % 3], "mood": "xy"[i % 2]} for i in range(100)]
    assert "label='mood', or label='country' if" in suggested(rows)
