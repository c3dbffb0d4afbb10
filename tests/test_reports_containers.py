"Containers that people have, second part: encodings, lists of lists, exports of annotation tools, what a cure names."

import csv
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from datasets import Dataset

from ftcourse import load_task
from ftcourse.core.errors import CourseError
from ftcourse.data.load.columns import suggest_call
from ftcourse.data.load.readers import reading_as
from ftcourse.data.problems import BadRows

ROWS = [{"text": f"the lamp in room {i} was bright, très bright", "label": ("bad", "good")[i % 2]} for i in range(40)]
WANTED = sorted((r["text"], r["label"]) for r in ROWS)
FRAME = pd.DataFrame(ROWS)


def content(task):
    "(text, label) of every row of a task, in order of the text."
    names = lambda x: task.labels[x] if isinstance(x, int) else x
    return sorted((r[task.text[0]], names(r[task.label])) for rows in task.splits.values() for r in rows)


def saved(path, rows):
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


# encoding=


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "UTF-16-LE", "utf-16", "mac-roman", "utf8", "utf-8-sig"])
@pytest.mark.parametrize("form", ["x.csv", "x.csv.gz", "x.jsonl", "x.json"])
def test_an_encoding_that_is_said_is_used(tmp_path, form, encoding):
    file = tmp_path / form
    if "csv" in form:
        FRAME.to_csv(file, index=False, encoding=encoding)
    else:
        text = FRAME.to_json(orient="records", lines=form.endswith("l"), force_ascii=False)
        file.write_bytes(text.encode(encoding))
    assert content(load_task(file, encoding=encoding)) == WANTED


def test_an_encoding_in_splits_folders_of_classes_and_plain_text(tmp_path):
    file = tmp_path / "x.csv"
    FRAME.to_csv(file, index=False, encoding="latin-1")
    both = load_task({"train": file, "test": file}, encoding="latin-1")
    assert sorted(both.test["text"]) == sorted(FRAME.text)
    for label, rows in FRAME.groupby("label"):
        (tmp_path / "reviews" / label).mkdir(parents=True)
        for i, text in enumerate(rows.text):
            (tmp_path / "reviews" / label / f"{i}.txt").write_bytes(text.encode("cp1252"))
    assert content(load_task(tmp_path / "reviews", encoding="cp1252")) == WANTED
    (tmp_path / "x.txt").write_bytes("\n".join(FRAME.text).encode("latin-1"))
    lines = load_task(tmp_path / "x.txt", encoding="latin-1")
    assert lines.kind == "lm"
    assert "très" in lines.train["text"][0]


def test_an_encoding_that_cannot_be_is_refused(tmp_path):
    file = tmp_path / "x.csv"
    FRAME.to_csv(file, index=False, encoding="latin-1")
    for wrong in ("klingon", "base64", "a\0b", 5):
        with pytest.raises(CourseError, match="none that Python knows"):
            load_task(file, encoding=wrong)
    (tmp_path / "y.csv").write_bytes(b"text,label\nfine \x81,a\n")
    with pytest.raises(CourseError, match=r"y\.csv is not cp1252: .*Pass another encoding="):
        load_task(tmp_path / "y.csv", encoding="cp1252")
    FRAME.to_csv(file, index=False, encoding="utf-8-sig")
    with pytest.raises(CourseError, match=r"begins with the mark of utf-8, .*Leave encoding= out"):
        load_task(file, encoding="cp1252")
    with pytest.raises(CourseError, match="rows in memory"):
        load_task(ROWS, encoding="cp1252")


def test_the_cure_for_bytes_that_are_not_utf8_works_and_nothing_of_it_stays(tmp_path):
    file = tmp_path / "x.csv"
    FRAME.to_csv(file, index=False, encoding="cp1252")
    with pytest.raises(BadRows, match='pass encoding="cp1252"'):
        load_task(file)
    assert content(load_task(file, encoding="cp1252")) == WANTED
    with pytest.raises(BadRows):
        load_task(file)
    with pytest.raises(CourseError), reading_as("cp1252"):
        load_task(tmp_path / "missing.csv")
    with pytest.raises(BadRows):
        load_task(file)


# JSON: lists of lists


def test_a_list_of_lists_asks_for_names_and_both_cures_work(tmp_path):
    file = tmp_path / "x.json"
    for indent in (0, 2):
        FRAME.to_json(file, orient="values", indent=indent)
        with pytest.raises(CourseError, match="nothing names their 2 columns"):
            load_task(file)
        assert content(load_task(file, text=0, label=1)) == WANTED
        assert content(load_task(file, columns=["text", "label"])) == WANTED


def test_an_element_of_another_length_is_told_by_its_number(tmp_path):
    rows = FRAME.to_numpy().tolist()
    file = saved(tmp_path / "x.json", [*rows[:3], ["a"], 7, *rows[3:]])
    with pytest.raises(BadRows) as e:
        load_task(file, columns=["text", "label"])
    assert "x.json element 3 (the first is 0): 1 cells, expected 2" in str(e.value)
    assert "x.json element 4 (the first is 0): a number, not an object" in str(e.value)
    assert content(load_task(file, columns=["text", "label"], on_bad="skip")) == WANTED


def test_what_follows_a_list_is_not_dropped_without_a_word(tmp_path):
    file = tmp_path / "x.json"
    text = FRAME.to_json(orient="records")
    file.write_text(f"{text}\n{text}\n")
    with pytest.raises(CourseError, match=r"x\.json:2: the list ends above"):
        load_task(file)
    file.write_text(f"{text}\n \n")
    assert content(load_task(file)) == WANTED


def test_a_short_row_of_the_split_form_is_told_by_its_element(tmp_path):
    rows = FRAME.to_numpy().tolist()
    file = saved(tmp_path / "x.json", {"columns": ["text", "label"], "data": [*rows[:7], ["a"], *rows]})
    with pytest.raises(CourseError, match=r"element 7 of data \(the first is 0\) has 1 cells"):
        load_task(file)


# sheets


def test_a_sheet_without_a_header_loses_no_row(tmp_path):
    pytest.importorskip("openpyxl")
    file = tmp_path / "x.xlsx"
    FRAME.to_excel(file, index=False, header=False)
    assert content(load_task(file, text=0, label=1)) == WANTED
    assert content(load_task(file, columns=["text", "label"])) == WANTED
    with pytest.raises(CourseError, match="rows have 2 cells, and columns= has 1 names"):
        load_task(file, columns=["text"], kind="lm")
    pd.DataFrame().to_excel(file)
    with pytest.raises(CourseError, match="holds no rows"):
        load_task(file)


# frames


def test_an_index_with_a_name_is_data_and_another_is_not():
    assert content(load_task(FRAME.set_index("text"))) == WANTED
    assert content(load_task(FRAME.set_index(["text", "label"]).assign(n=1))) == WANTED
    assert content(load_task(FRAME.set_index(FRAME.text))) == WANTED  # as a column, too
    assert content(load_task(FRAME.set_index(pd.Index(range(40))))) == WANTED


def test_polars_frames_of_every_kind_of_label():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(ROWS)
    for kind in (pl.Categorical, pl.Enum(["good", "bad"])):
        assert content(load_task(frame.with_columns(pl.col("label").cast(kind)))) == WANTED
    assert content(load_task({"text": frame["text"], "label": frame["label"]})) == WANTED
    with pytest.raises(CourseError, match=r"to_frame\('text'\)"):
        load_task(frame["text"])
    assert load_task(frame["text"].to_frame("text"), kind="lm").kind == "lm"


# exports of annotation tools, wherever the rows come from


def studio(i):
    said = {"type": "choices", "from_name": "verdict", "value": {"choices": [ROWS[i]["label"]]}}
    return {"id": i, "data": {"text": ROWS[i]["text"]}, "annotations": [{"result": [said]}]}


def record(i):
    "A record of Argilla 2 as to_datasets() gives it: one answer, and one that was discarded."
    text, label = ROWS[i].values()
    other = {"bad": "good", "good": "bad"}[label]
    return {
        "id": str(i),
        "status": "completed",
        "text": text,
        "verdict.responses": [other, label],
        "verdict.responses.users": ["u", "v"],
        "verdict.responses.status": ["discarded", "submitted"],
        "verdict.suggestion": other,
    }


RECORDS = [record(i) for i in range(40)]


@pytest.mark.parametrize("form", ["list", "Dataset", "pandas", "parquet", "saved", "csv", "json", "jsonl", "feather"])
def test_argilla_counts_what_was_submitted_alone(tmp_path, form):
    data = Dataset.from_list(RECORDS)
    file = tmp_path / f"x.{form}"
    if form in ("list", "Dataset", "pandas"):
        given = {"list": RECORDS, "Dataset": data, "pandas": pd.DataFrame(RECORDS)}[form]
    else:
        given = file
        write = {
            "parquet": data.to_parquet,
            "saved": data.save_to_disk,
            "csv": data.to_csv,
            "json": lambda path: saved(path, RECORDS),
            "jsonl": lambda path: path.write_text("\n".join(map(json.dumps, RECORDS))),
            "feather": pd.DataFrame(RECORDS).to_feather,
        }[form]
        write(str(file) if form not in ("json", "jsonl") else file)
    assert content(load_task(given)) == WANTED


def test_a_column_that_is_called_responses_is_a_column():
    rows = [r | {"survey.responses": i % 7} for i, r in enumerate(ROWS)]
    assert content(load_task(rows)) == WANTED


@pytest.mark.parametrize("kind", [list, Dataset.from_list, pd.DataFrame])
def test_label_studio_in_memory(kind):
    assert content(load_task(kind([studio(i) for i in range(40)]))) == WANTED


def label_studio_csv(path, labels, column="sentiment"):
    with open(path, "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(["annotation_id", "annotator", "created_at", "id", "lead_time", column, "text", "updated_at"])
        for i, r in enumerate(ROWS):
            when = f"2024-05-01T10:00:{i:02}.171801Z"
            out.writerow([i + 1, i % 2 + 1, when, 100 + i, 3.5 + i, labels(i), r["text"], when])
    return path


def test_label_studio_s_csv(tmp_path):
    one = lambda i: ROWS[i]["label"]
    file = tmp_path / "x.csv"
    assert content(load_task(label_studio_csv(file, one))) == WANTED
    some = load_task(label_studio_csv(file, lambda i: one(i) if i % 5 else '{"choices": ["bad", "good"]}'))
    assert some.kind == "multilabel"
    assert some.labels == ["bad", "good"]
    unread = load_task(label_studio_csv(file, lambda i: one(i) if i else ""))
    assert len(unread.unlabelled) == 1
    with pytest.raises(CourseError, match=r"Pass text='text', label='verdict'$"):
        load_task(label_studio_csv(file, one, "verdict"))
    assert content(load_task(file, label="verdict")) == WANTED


def test_doccano_s_csv_and_jsonl(tmp_path):
    file = tmp_path / "x.csv"
    lines = [f'{i},"{r["text"]}",{"bad#good" if i % 4 == 0 else r["label"]}\n' for i, r in enumerate(ROWS)]
    file.write_text("id,data,label\n" + "".join(lines), encoding="utf-8")
    with pytest.raises(CourseError, match="several labels in a cell, such as 'bad#good'"):
        load_task(file)
    task = load_task(file, kind="multilabel")
    assert task.labels == ["bad", "good"]
    assert any("split at '#'" in note for note in task.notes)
    rows = [{"id": i, "data": r["text"], "label": [r["label"]] if i else []} for i, r in enumerate(ROWS)]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    task = load_task(tmp_path / "x.jsonl")
    assert content(task) == sorted((r["text"], r["label"]) for r in ROWS[1:])
    assert len(task.unlabelled) == 1


def test_a_hash_at_the_end_of_a_name_separates_nothing():
    for label in (["C#", "F#", "C"], ["#1", "#2", "#3"]):
        rows = [{"text": f"text {i}", "label": label[i % 3]} for i in range(60)]
        assert load_task(rows).labels == sorted(label)
        assert load_task(rows, kind="multilabel").labels == sorted(label)
    rows = [{"text": f"text {i}", "label": ("C#,Java", "Java", "C#")[i % 3]} for i in range(60)]
    assert load_task(rows, kind="multilabel").labels == ["C#", "Java"]


# what a cure names


@pytest.mark.parametrize(
    "cell",
    [
        lambda i: f"2015-08-{i % 28 + 1:02} 10:00:00+00:00",
        lambda i: ("Aug 31, 2015", "Sep 1, 2015")[i % 2],
        lambda i: ("31 August 2015", "1 May 2014")[i % 2],
        lambda i: f"Fri Nov {i % 28 + 1:02} 11:16:58 +0000 2014",
        lambda i: int(f"201508{i % 28 + 1:02}"),
        lambda i: 1440979200 + i % 3,
        lambda i: f"{i % 24:02}:10",
        lambda i: f"2015-0{i % 9 + 1}",
        lambda i: f"6f9619ff-8b86-d011-b42d-00cf4fc964f{i % 5}",
        lambda i: f"{i % 5:032x}",
        lambda i: f"@user{i % 5}",
        lambda i: f"a{i % 4}@x.org",
        lambda i: f"/data/x{i % 4}.txt",
        lambda i: f"10.0.0.{i % 5}",
        lambda i: '{"a": 1}',
        lambda i: "[[0, 1, 'X']]",
        lambda i: "en",
    ],
)
def test_no_cure_names_dates_ids_addresses_or_objects_however_they_are_written(cell):
    for order in (1, -1):
        row = lambda i: {"words": f"a long text {i}", "mood": ("good", "bad")[i % 2], "other": cell(i)}
        rows = [dict(list(row(i).items())[::order]) for i in range(100)]
        assert suggest_call(list(rows[0]), rows, None, "data") == "Pass text='words', label='mood'"


def test_lists_of_labels_written_as_text_can_be_the_label():
    rows = [{"words": f"a long text {i}", "tags": ("['a']", "['a', 'b']", "[]")[i % 3]} for i in range(100)]
    assert suggest_call(["words", "tags"], rows, None, "data") == "Pass text='words', label='tags'"


# many labels

SCRIPT = """
import json, sys, time
from ftcourse import load_task
load_task([{"text": f"a {i}", "label": "xy"[i % 2]} for i in range(40)])
# not resource's ru_maxrss, which a child takes over from the process that started it
mib = lambda key: int(next(x.split()[1] for x in open("/proc/self/status") if x.startswith(key))) / 1024
before = mib("VmRSS")
start = time.process_time()
task = load_task(sys.argv[1], kind=sys.argv[2])
shapes = [task.label_ids(split).shape for split in task.splits]
took = time.process_time() - start
print(json.dumps([took, mib("VmHWM") - before, len(task.labels), shapes]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("kind", ["classify", "multilabel"])
def test_2000_labels_of_20000_rows_take_5_seconds_and_250_mb_at_most(tmp_path, kind):
    label = lambda i: f"l{i % 2000}" + f"|l{i * 7 % 2000}|l{i * 13 % 2000}" * (kind == "multilabel")
    lines = [f"text number {i} of many words,{label(i)}\n" for i in range(20_000)]
    (tmp_path / "x.csv").write_text("text,label\n" + "".join(lines))
    script = [sys.executable, "-c", SCRIPT, str(tmp_path / "x.csv"), kind]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    seconds, mib, labels, shapes = json.loads(done.stdout.splitlines()[-1])
    assert labels == 2000
    assert sum(shape[0] for shape in shapes) == 20_000
    assert seconds <= 5
    assert mib <= 250


def test_labels_of_several_columns_are_read_as_before():
    rows = [{"text": f"text {i}", "a": i % 2, "b": ("true", "no way")[i == 7], "c": None} for i in range(40)]
    with pytest.raises(BadRows, match="data row 0: 'c' is None"):
        load_task(rows, text="text", label=["a", "b", "c"])
    for r in rows:
        r["c"] = 0.0
    with pytest.raises(BadRows, match="data row 7: 'b' is 'no way'") as e:
        load_task(rows, text="text", label=["a", "b", "c"])
    assert len(e.value.problems) == 1
    task = load_task(rows, text="text", label=["a", "b", "c"], on_bad="skip")
    ids = task.label_ids("train")
    assert ids.shape == (len(task.train), 3)
    assert ids.tolist() == [list(x) for x in task.train["labels"]]
    assert set(ids[:, 1]) == {1}
    assert set(ids[:, 2]) == {0}
