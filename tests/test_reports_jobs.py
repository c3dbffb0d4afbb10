"""The job path: refused before it trains, saved before it reports; labels with probabilities; one row per text;
what is no text is refused; any value of a hyperparameter gives a CourseError at most (case e12, faults 2 and 8)."""

import csv
import json
import os
import re
import subprocess
import sys
import warnings
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from console import called
from datasets import Dataset
from torch.utils._python_dispatch import TorchDispatchMode

from ftcourse import HyperParams, evaluate_model, load_model, load_task
from ftcourse.core.errors import CourseError
from ftcourse.course.cli.main import build_parser, in_flags
from ftcourse.course.practice.progress import class_progress

CASES = Path(__file__).resolve().parent.parent.parent / "shared" / "cases" / "turn2"
LINE = [sys.executable, "-W", "ignore", "-m", "ftcourse.course.cli.main"]
ROWS = [
    (f"the {'soup' if i % 3 else 'room'} was {('good', 'bad')[i % 2]}, {i}", ("pos", "neg")[i % 2]) for i in range(60)
]
BREAKS = [
    "one\nline",
    "two\r\nlines",
    "lone \r return",
    'quote " and, comma',
    "separator \u2028 and \x85 next",
    "plain",
]


def write_rows(path, rows=ROWS, head=("text", "label")):
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([head, *rows])
    return str(path)


@pytest.fixture
def untrained(monkeypatch):
    "Training fails the test."

    def trained(*_, **__):
        raise AssertionError("it trained")

    monkeypatch.setattr("ftcourse.recipes.fine_tune_model", trained)
    monkeypatch.setattr("ftcourse.recipes.train_model", trained)


@pytest.fixture(scope="module")
def judge():
    return load_model("tiny-bert", head="classify", labels=["neg", "pos"], seed=1)


@pytest.fixture(scope="module")
def folder(judge, tmp_path_factory):
    return str(judge.save(tmp_path_factory.mktemp("saved") / "m"))


# --- refused before it trains


def test_a_split_with_a_slip_is_refused_before_training(tmp_path, untrained):
    code, _, why = called("fine-tune", write_rows(tmp_path / "d.csv"), "--split", "tset", "--out", tmp_path / "m")
    assert code == 2
    assert "'tset'" in why
    assert "validation" in why


@pytest.mark.parametrize("command", ["fine-tune", "pretrain"])
def test_an_out_that_cannot_take_the_model_is_refused_before_training(tmp_path, untrained, command):
    data = write_rows(tmp_path / "d.csv")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "config.json").write_text("{}")  # somebody's own, and no model
    for out in (data, f"{data}/below", tmp_path / "notes", tmp_path / "settings", tmp_path / ("x" * 250), "", "a\0b"):
        code, _, why = called(command, data, "--out", out, "--overwrite")
        assert code == 1, out
        assert "--out" in why, why
    assert [p.name for p in (tmp_path / "notes").iterdir()] == ["mine.txt"]
    assert (tmp_path / "settings" / "config.json").read_text() == "{}"


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs a folder that nobody can write to")
def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path, untrained):
    code, _, why = called("fine-tune", write_rows(tmp_path / "d.csv"), "--out", "/proc/model")
    assert code == 1
    assert "cannot be written" in why


def test_a_model_is_never_overwritten_silently(tmp_path, folder, untrained):
    before = {p: p.read_bytes() for p in Path(folder).iterdir()}
    code, _, why = called("fine-tune", write_rows(tmp_path / "d.csv"), "--out", folder)
    assert code == 1
    assert "--overwrite" in why
    assert {p: p.read_bytes() for p in Path(folder).iterdir()} == before


def test_too_few_rows_to_score_are_said_before_training_and_the_cure_works(tmp_path, monkeypatch):
    data = write_rows(tmp_path / "four.csv", ROWS[:4])
    with monkeypatch.context() as m:
        m.setattr("ftcourse.recipes.fine_tune_model", lambda *_, **__: pytest.fail("it trained"))
        code, _, why = called("fine-tune", data, "--out", tmp_path / "m")
    assert code == 1
    assert "4 rows are too few" in why
    assert "--split train" in why
    assert called("fine-tune", data, "--out", tmp_path / "m", "--split", "train", "--max-steps", "1")[0] == 0
    assert (tmp_path / "m" / "report.json").exists()


def test_hidden_labels_are_said_before_training(tmp_path, untrained):
    (tmp_path / "glue").mkdir()
    for split, label in (("train", None), ("dev", None), ("test", "-1")):
        rows = [(text, label or str(i % 2)) for i, (text, _) in enumerate(ROWS)]
        write_rows(tmp_path / "glue" / f"{split}.csv", rows)
    code, _, why = called("fine-tune", tmp_path / "glue", "--out", tmp_path / "m")
    assert code == 1
    assert "label" in why
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "flag", [("--rows", "0"), ("--rows", "-3"), ("--rows", "1.5"), ("--lr", "nan"), ("--train", "last-²")]
)
def test_a_flag_out_of_range_is_refused_before_training(tmp_path, untrained, flag):
    code, _, why = called("fine-tune", write_rows(tmp_path / "d.csv"), *flag)
    assert code in (1, 2)
    assert flag[0] in why
    assert "Traceback" not in why


# --- saved before it reports


def test_the_model_is_saved_before_it_is_scored(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise CourseError("no score today")

    monkeypatch.setattr("ftcourse.recipes.evaluate_model", broken)
    code, _, why = called("fine-tune", write_rows(tmp_path / "d.csv"), "--out", tmp_path / "m", "--max-steps", "1")
    assert code == 1
    assert "no score today" in why
    assert f"saved in {tmp_path / 'm'}" in why
    assert load_model(tmp_path / "m").labels == ["neg", "pos"]


@pytest.mark.parametrize("both", [False, True])
def test_a_closed_pipe_loses_no_model(tmp_path, both):
    out, more = tmp_path / "m", ("--max-steps", "12", "--batch-size", "4")
    command = [*LINE, "fine-tune", write_rows(tmp_path / "d.csv"), "--out", str(out), *more]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=write if both else subprocess.PIPE, check=False)
    os.close(write)
    assert done.returncode == 0, done.stderr
    assert (out / "model.safetensors").exists()
    assert (out / "README.md").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_log_on_a_full_disk_loses_no_prediction_and_is_said(tmp_path, folder):
    table = tmp_path / "p.csv"
    with open("/dev/full", "w") as full:
        command = [*LINE, "predict", folder, "good", "--out", str(table)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(list(csv.reader(open(table, newline="")))) == 2


# --- labels and probabilities


def test_predict_gives_labels_and_probabilities(judge):
    texts = ["the soup was good", "the room was bad"]
    labels, p = judge.predict(texts, probabilities=True)
    assert labels == judge.predict(texts)
    assert np.array_equal(p, judge.probabilities(texts))
    assert labels == [judge.labels[i] for i in p.argmax(-1)]
    tags = load_model("tiny-bert", head="multilabel", labels=["a", "b", "c"], seed=2)
    labels, p = tags.predict(texts, probabilities=True)
    assert labels == tags.predict(texts) == [[n for n, x in zip("abc", row) if x > 0.5] for row in p]
    assert judge.predict([], probabilities=True)[0] == []
    with pytest.raises(CourseError, match="probabilities are for"):
        load_model("tiny-bert", head="regress").predict(texts, probabilities=True)


def test_the_command_prints_label_and_probability_and_json_all_of_them(judge, folder):
    code, said, _ = called("predict", folder, "the soup was good")
    assert code == 0
    label, p, text = said.rstrip("\n").split("\t")
    assert text == "the soup was good"
    row = json.loads(called("predict", folder, text, "--json")[1])[0]
    assert row["label"] == label == judge.predict(text)[0]
    assert row["probability"] == pytest.approx(float(p), abs=1e-3) == max(row["probabilities"].values())
    assert list(row["probabilities"]) == judge.labels


@pytest.mark.parametrize(
    "order",
    [("M", "a", "--json", "b"), ("M", "--json", "a", "b"), ("--json", "M", "a", "b"), ("M", "a", "b", "--json")],
)
def test_options_of_predict_stand_before_between_and_behind_texts(folder, order):
    code, said, _ = called("predict", *(folder if x == "M" else x for x in order))
    assert code == 0
    assert [row["text"] for row in json.loads(said)] == ["a", "b"]


def test_a_flag_that_is_none_is_refused(folder):
    assert called("predict", folder, "a", "--josn", "b")[0] == 2
    assert called("evaluate", folder, "a", "--json", "b")[0] == 2


def test_one_row_per_text_whatever_line_breaks_it_holds(tmp_path, judge, folder):
    table = tmp_path / "predictions.csv"
    code, said, _ = called("predict", folder, *BREAKS, "--out", table)
    assert code == 0, said
    with open(table, newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    assert [row["text"] for row in rows] == BREAKS
    labels, p = judge.predict(BREAKS, probabilities=True)
    assert [row["label"] for row in rows] == labels
    assert [float(row["probability of pos"]) for row in rows] == pytest.approx(p[:, 1], abs=1e-5)
    assert len(called("predict", folder, *BREAKS)[1].split("\n")) == len(BREAKS) + 1, "on a terminal too"
    pandas = pytest.importorskip("pandas")
    assert list(pandas.read_csv(table)["text"]) == BREAKS
    code, _, why = called("predict", folder, "again", "--out", table)
    assert code == 1
    assert "--overwrite" in why
    assert called("predict", folder, "again", "--out", table, "--overwrite")[0] == 0
    assert len(list(csv.reader(open(table, newline="")))) == 2
    again = tmp_path / "again.csv"
    write_rows(tmp_path / "texts.csv", [(text, "pos") for text in BREAKS])
    assert called("predict", folder, "--file", tmp_path / "texts.csv", "--out", again)[0] == 0
    assert [row["text"] for row in csv.DictReader(open(again, newline="", encoding="utf-8"))] == BREAKS


def test_several_labels_stand_as_a_list_in_one_cell(tmp_path):
    tags = load_model("tiny-bert", head="multilabel", labels=["a, b", "c"], seed=2)
    tags.thresholds = [0, 1]
    where, table = tags.save(tmp_path / "tags"), tmp_path / "p.csv"
    assert called("predict", where, "good", "--out", table)[0] == 0
    (row,) = csv.DictReader(open(table, newline="", encoding="utf-8"))
    assert json.loads(row["label"]) == ["a, b"]
    tags.thresholds = [1, 1]
    tags.save(where)
    assert called("predict", where, "good")[1].startswith("(none)\t-\t")


@pytest.mark.parametrize("out", ["p.txt", "", "folder.csv"])
def test_a_table_that_cannot_be_written_is_refused_before_the_model_is_loaded(tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    code, _, why = called("predict", "no-such-model", "good", f"--out={out}")
    assert code == 1
    assert "--out" in why


def test_control_characters_of_data_do_not_reach_the_terminal(folder):
    said = called("predict", folder, "red \x1b[31m and \x07 bell \u202e turned")[1]
    assert not set(said) & set("\x1b\x07\u202e")


# --- files of texts


def test_e12_a_windows_1252_file_is_refused_as_the_loader_does(tmp_path, folder):
    file = tmp_path / "x.csv"
    file.write_bytes("Text;Label\r\nplain;bad\r\na poor café ’s;good\r\n".encode("cp1252"))
    shared = CASES / "e12-cp1252-predict.x_cp.csv"
    for path, line in [(file, 3)] + [(shared, 2)] * shared.exists():
        code, said, why = called("predict", folder, "--file", path, "--text", "Text")
        assert code == 1
        assert said == ""
        assert f"{path}, line {line}: 'Text' holds the byte 0xe9, which is not UTF-8" in why
        assert "iconv -f WINDOWS-1252" in why
    code, said, why = called("predict", folder, "--file", file, "--text", "Text", "--on-bad", "skip")
    assert code == 0
    assert said.endswith("\tplain\n")
    assert "line 3" in why


def test_e12_so_are_lines_of_a_text_file_and_of_standard_input(tmp_path, folder):
    (tmp_path / "a.txt").write_bytes("plain\ncafé\n".encode("cp1252"))
    code, _, why = called("predict", folder, "--file", tmp_path / "a.txt")
    assert code == 1
    assert "line 2" in why
    done = subprocess.run([*LINE, "predict", folder], input=(tmp_path / "a.txt").read_bytes(), capture_output=True)
    assert done.returncode == 1
    assert b"0xe9" in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_empty_cell_is_named_and_left_out_only_when_asked(tmp_path, folder):
    write_rows(tmp_path / "t.csv", [("good", "pos"), ("", "neg"), ("bad", "neg")])
    code, said, why = called("predict", folder, "--file", tmp_path / "t.csv")
    assert (code, said) == (1, "")
    assert "line 3: 'text' is empty" in why
    code, said, why = called("predict", folder, "--file", tmp_path / "t.csv", "--on-bad", "skip", "--json")
    assert [row["text"] for row in json.loads(said)] == ["good", "bad"]
    assert "left out" in why


def test_the_columns_that_a_model_was_made_for_are_read(tmp_path):
    pair = load_model("tiny-bert", head="classify", labels=["no", "yes"], seed=1)
    pair.text = ("left", "right")
    where = pair.save(tmp_path / "pair")
    file = write_rows(tmp_path / "p.csv", [("a", "b", 1), ("c", "d", 2)], ("left", "right", "n"))
    (first, _) = json.loads(called("predict", where, "--file", file, "--json")[1])
    assert first["text"] == ["a", "b"]
    assert first["label"] == pair.predict([("a", "b")])[0]


# --- what is no text


class Odd:
    def __repr__(self):
        raise RuntimeError("no")


def tables():
    pandas = pytest.importorskip("pandas")
    yield pandas.DataFrame({"n": [1, 2], "text": ["a", "b"]})
    yield {"n": [1, 2], "text": ["a", "b"]}
    yield Dataset.from_dict({"n": [1, 2], "text": ["a", "b"]})


def test_a_table_is_refused_with_the_cure_that_works(judge):
    for table in tables():
        for ask in (judge.predict, judge.probabilities):
            with pytest.raises(CourseError, match=r"give one column of it, \['text'\]"):
                ask(table)
        assert len(judge.predict(table["text"])) == 2, "the cure"


@pytest.mark.parametrize(
    "wrong",
    [np.array("a"), np.array(3), None, 1, 1.5, True, b"bytes", {"a", "b"}, {}, [1], [None], [b"a"], ["a", 10**5000]]
    + [[["a", 1]], [("a",)], ["a", ("b", "c")], np.array([1.5]), [Odd()], Odd(), object(), ["\ud800"], [["a"], "b"]],
    ids=lambda x: type(x).__name__,
)
def test_what_is_no_text_is_refused(judge, wrong):
    with pytest.raises(CourseError, match=r"."):
        judge.predict(wrong)


def test_strings_in_any_row_of_things_are_texts(judge):
    pandas = pytest.importorskip("pandas")
    two = ["the soup was good", "the room was bad"]
    for texts in (
        pandas.Series(two),
        np.array(two),
        tuple(two),
        (t for t in two),
        pandas.Index(two),
        Dataset.from_dict({"t": two})["t"],
    ):
        assert judge.predict(texts) == judge.predict(two)
    with pytest.raises(CourseError, match="text 1 is nan"):
        judge.predict(pandas.Series(["a", float("nan")], dtype=object))


def test_a_model_whose_outputs_are_no_numbers_gives_no_label():
    broken = load_model("tiny-bert", head="classify", labels=["neg", "pos"], seed=1)
    with torch.no_grad():
        broken.network.classifier.weight.fill_(float("nan"))
    with pytest.raises(CourseError, match="no numbers"):
        broken.predict(["good"])


# --- a model that cannot read the texts


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (
            ["Der Ausschuss genehmigte den jährlichen Haushalt nach langer Diskussion über Infrastrukturausgaben."],
            "spells",
        ),
        (["Комитет утвердил годовой бюджет", "после долгого обсуждения"], r"\[UNK\]"),
    ],
)
def test_a_model_that_spells_or_does_not_know_the_text_says_so(judge, texts, says):
    with pytest.warns(UserWarning, match=says):
        judge.predict(texts)


def test_a_model_that_knows_the_words_says_nothing(judge):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        judge.predict([text for text, _ in ROWS])
        judge.predict(["a", "supercalifragilistic"])
    assert not [w for w in heard if "spells" in str(w.message) or "UNK" in str(w.message)]


def rows_of(texts):
    "A task of such texts, with two labels in turn."
    return load_task([{"text": f"{text} {i}", "label": ("pos", "neg")[i % 2]} for i, text in enumerate(texts * 20)])


@pytest.mark.parametrize(
    ("model", "texts", "says"),
    [
        ("mini-bert", ["房间很好,服务也不错", "早餐太差了,下次不会再来"], r"8\d% of the tokens of .*rows are \[UNK\]"),
        ("mini-bert", ["Комитет утвердил годовой бюджет", "Суп был холодным"], r"\d\d% of the tokens .*\[UNK\]"),
        ("tiny-bert", ["كان الحساء باردا ونسي النادل", "وافقت اللجنة على الميزانية"], r"\d\d% of the tokens .*\[UNK\]"),
        ("mini-bert", ["Der Ausschuss genehmigte den Haushalt"], r"spells .*: it needs \d\.\d tokens for a word"),
        ("tiny-gpt", ["房间很好,服务也不错", "早餐太差了,下次不会再来"], r"spells .* \d\.\d tokens for a letter"),
    ],
)
def test_a_model_says_before_training_that_it_cannot_read_the_rows(model, texts, says, capsys, monkeypatch):
    from ftcourse.core import errors

    monkeypatch.setattr(errors, "_printed", set())
    task = rows_of(texts)
    load_model(model, task)
    heard = capsys.readouterr().out
    assert re.search(f"{model}: .*{says}", heard), heard
    assert "Choose a model that was pretrained on text like this" in heard
    load_model(model, task.take(20))  # the same in other figures
    assert "training rows" not in capsys.readouterr().out


def test_a_model_that_knows_the_rows_trains_in_silence(capsys, monkeypatch):
    from ftcourse.core import errors

    monkeypatch.setattr(errors, "_printed", set())
    english = rows_of(["The waiter brought the wrong bill, and nobody said sorry", "A long, warm and funny film"])
    load_model("mini-bert", english)
    for model, task in (("tiny-bert", "reviews"), ("tiny-gpt", "topics"), ("tiny-bert", "facts")):
        load_model(model, task)
    heard = capsys.readouterr().out
    assert "head newly initialised" in heard
    assert "spells" not in heard
    assert "[UNK]" not in heard


DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data of shared/data are not here")
def test_real_rows_that_a_model_reads_and_others():
    from ftcourse.models.predict import training_note

    tokenizer = load_model("mini-bert", head="lm").quick_tokenizer
    with open(DATA / "glue/SST-2/train_sample.tsv", encoding="utf-8") as f:
        reviews = [line.split("\t")[0] for line in f][1:]
    with open(DATA / "ag_news/train_sample.csv", encoding="utf-8") as f:
        news = list(csv.reader(f))
    with open(DATA / "chnsenticorp_htl/sample2000.csv", encoding="utf-8-sig") as f:
        hotels = [row[1] for row in csv.reader(f)][1:]
    as_rows = lambda texts: load_task([{"text": x, "label": i % 2} for i, x in enumerate(texts)])
    for read in (reviews, [row[1] for row in news], [row[2] for row in news]):
        assert training_note(as_rows(read), tokenizer) is None
    assert re.match(r"9\d% of the tokens of 100 of the", training_note(as_rows(hotels), tokenizer))


# --- hyperparameters and messages


def test_any_value_of_a_hyperparameter_gives_a_course_error_at_most():
    pandas = pytest.importorskip("pandas")
    odd = [
        None,
        True,
        "3.0",
        "last-²",
        "last-" + "9" * 5000,
        "last-0",
        "",
        b"3",
        10**5000,
        -(10**400),
        float("nan"),
        "nan",
        1j,
    ]
    odd += [
        [],
        {},
        np.array([1, 2]),
        np.float32(2),
        np.array("a"),
        pandas.NA,
        object(),
        Odd(),
        "\ud800",
        "١",
        "1_0",
        range(3),
    ]
    for f in fields(HyperParams):
        for value in odd:
            try:
                made = HyperParams(**{f.name: value})
            except CourseError as e:
                assert len(str(e)) < 500
            else:
                assert HyperParams(**{f.name: getattr(made, f.name)}) == made


def test_fuzzed_hyperparameters_give_a_course_error_at_most():
    hypothesis = pytest.importorskip("hypothesis")
    some = hypothesis.strategies
    simple = (
        some.none()
        | some.booleans()
        | some.integers()
        | some.floats(allow_subnormal=False)
        | some.text()
        | some.binary()
    )
    simple |= some.complex_numbers(allow_subnormal=False) | some.decimals() | some.fractions()
    values = simple | some.lists(simple, max_size=2) | some.builds("last-{}".format, some.text(max_size=3))
    names = some.sampled_from([f.name for f in fields(HyperParams)]) | some.text(max_size=8)

    @hypothesis.settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @hypothesis.given(some.dictionaries(names, values, max_size=3))
    def tried(changes):
        try:
            assert HyperParams.from_kwargs(**changes).total_steps(10) > 0
        except CourseError:
            pass

    tried()


def test_help_shows_the_values_that_are_used():
    from ftcourse.core.settings import settings

    for command, used in {
        "fine-tune": {"lr": None, "epochs": None, "dropout": None, "batch-size": 16, "schedule": "linear"},
        "pretrain": {"lr": 1e-3, "epochs": 1, "head-lr": 1.0},
    }.items():
        text = " ".join(called(command, "--help")[1].split())
        for name, value in used.items():
            shown = text.partition(f" --{name} ")[2].partition("(default ")[2]
            assert text.count(f"--{name}") >= 2 or shown, name
            part = text.rpartition(f"--{name} ")[2]
            assert part.partition("(default ")[2].startswith(f"{value})"), (command, name, part[:200])
    assert settings().encoder in " ".join(called("fine-tune", "--help")[1].split())


@pytest.mark.parametrize(
    ("python", "flags"),
    [
        ('pass kind="multilabel"', "pass --kind multilabel"),
        ("Pass text='my text', label='stars'", 'Pass --text "my text" --label stars'),
        ('Pass text=("…", "…"), label="…"', "Pass --text … --text … --label …"),
        ("lr=50 is outside", "--lr=50 is outside"),
        ("pass on_bad='skip'", "pass --on-bad skip"),
        ("context=3, my_label='x'", "context=3, my_label='x'"),
    ],
)
def test_messages_of_the_command_name_flags(python, flags):
    parser = build_parser().parse_args(["fine-tune", "x"]).parser
    assert in_flags(python, parser) == flags


def test_a_cure_of_the_command_line_works_when_it_is_tried(tmp_path, untrained):
    file = tmp_path / "t.jsonl"
    rows = [json.dumps({"text": t, "label": [y, "seen"]}) for t, y in ROWS]  # two labels a row are no class
    file.write_text("\n".join(rows), encoding="utf-8")
    why = called("fine-tune", file, "--kind", "classify", "--out", tmp_path / "m")[2]
    assert 'kind="' not in why
    bare = tmp_path / "bare.csv"
    bare.write_text("\n".join(f'"{text}",{i % 2}' for i, (text, _) in enumerate(ROWS)), encoding="utf-8")
    why = called("fine-tune", bare, "--out", tmp_path / "m")[2]
    assert "--text=0 --label=1" in why, why
    with pytest.raises(AssertionError, match="it trained"):
        called("fine-tune", bare, "--out", tmp_path / "m", "--text", "0", "--label", "1")


# --- progress of a class


@pytest.mark.parametrize(
    "damage", ["[" * 100_000, '{"a":' * 50_000, "{", "[]", "3", '{"01.1": 5}', "\udcff", '{"01.1": ' + "9" * 5000 + "}"]
)
def test_a_damaged_progress_file_is_said_not_raised(tmp_path, damage):
    (tmp_path / "ada.json").write_text(damage, encoding="utf-8", errors="surrogateescape")
    (tmp_path / "bo.json").write_text('{"01.1": {"name": "f", "on": "2026-01-01"}}')
    found = class_progress(tmp_path, tmp_path / "no-lessons")
    assert found.rows["bo"] == {"01": 1}
    assert "ada.json" in str(found)
    assert found.unread == ["ada.json"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("progress", "x" * 300),
        ("predict", "MODEL", "--file", "x" * 300),
        ("predict", "MODEL", "a", "--out", "x" * 300 + ".csv"),
    ],
)
def test_a_name_that_is_too_long_is_one_sentence(folder, arguments):
    code, _, why = called(*(folder if x == "MODEL" else x for x in arguments))
    assert code == 1
    assert why.startswith("ftcourse: ")
    assert len(why.splitlines()) == 1 or "UserWarning" in why


# --- devices without 64-bit floats


class NoWideFloats(TorchDispatchMode):
    "A device that lacks 64-bit floats, as Apple's MPS: nothing may be made in them."

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        made = found if isinstance(found, (tuple, list)) else [found]
        if any(isinstance(x, torch.Tensor) and x.dtype == torch.float64 for x in made):
            raise TypeError(f"{func}: the MPS framework doesn't support float64")
        return found


@pytest.mark.parametrize("kind", ["classify", "multilabel", "regress", "span", "lm"])
def test_e19_training_asks_no_device_for_64_bits(kind):
    from ftcourse.recipes import set_up
    from ftcourse.train import train_steps

    rows = {
        "classify": [{"text": t, "label": y} for t, y in ROWS],
        "multilabel": [{"text": t, "label": [y]} for t, y in ROWS],
        "regress": [{"text": t, "label": i / 7} for i, (t, _) in enumerate(ROWS)],
        "lm": [{"text": t} for t, _ in ROWS],
        "span": [
            {"question": f"what, {i}?", "context": t, "answers": {"text": ["soup"], "answer_start": [4]}}
            for i, (t, _) in enumerate(ROWS)
            if "soup" in t
        ],
    }[kind]
    task = load_task(rows, kind=kind)
    balanced = {"class_weights": "balanced"} if kind == "classify" else {}
    hp = HyperParams(batch_size=8, max_steps=2, accumulate=2, clip=0.1, eval_every=1, **balanced)
    setup = set_up("tiny-gpt" if kind == "lm" else "tiny-bert", task, hp, validated=False)
    with NoWideFloats():
        assert len(list(train_steps(**setup.arguments()))) == 2
    with pytest.raises(TypeError, match="float64"), NoWideFloats():
        torch.zeros(2).double()


@pytest.mark.parametrize("wide", [True, False])
def test_e19_losses_of_several_processes_are_summed_in_what_the_device_has(wide):
    from ftcourse.train.update import gradients

    class Together:
        num_processes, device, seen = 2, torch.device("cpu"), None
        backward = staticmethod(lambda s: s.backward())
        no_sync = staticmethod(lambda objective: nullcontext())

        def reduce(self, x, how):
            self.seen = x.dtype
            return 2 * x

    w = torch.ones(3, requires_grad=True)
    objective = lambda batch: ((w * batch).sum(), 3)
    acc = Together()
    with nullcontext() if wide else NoWideFloats():
        total, count = gradients(objective, [(torch.ones(3), 1), (2 * torch.ones(3), 1)], acc)
    assert (float(total), count) == (18, 12)
    assert acc.seen == (torch.float64 if wide else torch.float32)


# --- what a report tells of many classes, of grades and of numbers


def test_a_confusion_of_many_classes_shows_its_worst_rows_in_100_columns():
    names = [f"a rather long name of class number {i:02}" for i in range(30)]
    many = load_model("tiny-bert", head="classify", labels=names, seed=1)
    rows = [{"text": f"order {i}, item {j}", "label": names[i]} for i in range(30) for j in range(3)]
    report = evaluate_model(many, rows)
    table = [line for line in str(report).splitlines() if "note:" not in line]
    assert max(map(len, table)) <= 100
    assert "those 10 with the most errors" in str(report)
    assert "number 0" in str(report), "names that differ at the end are told apart"
    assert "most often taken for" in report._repr_html_()
    few = load_model("tiny-bert", head="classify", labels=["neg", "pos"], seed=1)
    text = str(evaluate_model(few, [{"text": t, "label": y} for t, y in ROWS]))
    assert "confusion (rows: true class; columns: predicted)" in text


STARS = [{"text": f"the soup was {'very ' * (i % 5)}good {i}", "stars": i % 5 + 1} for i in range(60)]


def test_stars_get_the_scores_of_grades_and_the_load_offers_regression():
    task = load_task(STARS)
    assert 'pass kind="regress"' in " ".join(task.notes)
    assert "grades" not in " ".join(load_task(STARS, kind="classify").notes)
    model = load_model("tiny-bert", task=task, seed=1)
    report = evaluate_model(model, STARS)
    off = abs(report.true - report.pred)
    assert report["mae"] == pytest.approx(off.mean())
    assert report["within_one"] == pytest.approx((off <= 1).mean())
    low, high = report.interval("quadratic_kappa")
    assert low <= report["quadratic_kappa"] <= high
    assert list(report.scores)[0] == "accuracy"


@pytest.mark.parametrize(
    ("labels", "column", "graded"),
    [
        (["1", "2", "3", "4", "5"], None, True),
        (["-1", "0", "1"], None, True),
        (["0", "1", "2", "3"], "label", False),
        (["0", "1", "2", "3"], "rating", True),
        (["1", "2", "4", "5"], "stars", True),
        (["3", "17", "99"], "topic", False),
        (["1", "2"], "stars", False),
        (["1", "2", "x"], "stars", False),
        (["1.5", "2", "3"], "stars", False),
    ],
)
def test_which_numbers_are_grades(labels, column, graded):
    from ftcourse.data.task import grades_of

    assert (grades_of(labels, column) is not None) == graded


def test_a_regression_report_shows_its_baseline_and_whose_mean_it_is(tmp_path):
    numbers = [{"text": t, "score": i / 7} for i, (t, _) in enumerate(ROWS)]
    model = load_model("tiny-bert", head="regress", seed=1)
    report = evaluate_model(model, numbers)
    assert report.baseline == pytest.approx(np.var([r["score"] for r in numbers]), rel=1e-4)
    assert "mean of these rows" in str(report)
    assert "is not known" in str(report)
    model.info["label_mean"] = 2.0
    again = load_model(model.save(tmp_path / "m"))
    again.info["label_mean"] = 2.0
    assert "always 2, mean of training" in str(evaluate_model(again, numbers))
    assert evaluate_model(again, numbers).to_dict()["baseline"] > report.baseline


def test_whole_numbers_are_scores_for_a_model_of_scores(tmp_path):
    where = load_model("tiny-bert", head="regress", seed=1).save(tmp_path / "m")
    data = write_rows(tmp_path / "s.csv", [(r["text"], r["stars"]) for r in STARS])
    code, said, why = called("evaluate", where, data)
    assert (code, "mean squared error" in said) == (0, True), why


def test_labels_flag_names_classes_and_values(tmp_path, untrained):
    data = write_rows(tmp_path / "d.csv", [(t, str(i % 2)) for i, (t, _) in enumerate(ROWS)])
    with pytest.raises(AssertionError, match="it trained"):
        called("fine-tune", data, "--out", tmp_path / "m", "--labels", "0=neg", "1=pos")
    code, _, why = called("fine-tune", data, "--out", tmp_path / "m", "--labels", "0=neg")
    assert code == 1
    assert "labels=[" not in why
