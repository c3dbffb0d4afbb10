"""Every case of ../shared/cases/turn2 by its name: right, or refused as its file says.

Here each case is tried on its own file; what is like it, and small copies for where the folder is absent, stand in
test_reports_rows.py, _sources, _containers, _names, _scored, _numbers, _jobs, _console, _runs, _terminal and _bulk.
By hand.
"""

import ast
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from cases import CASES as FOLDER
from datasets import ClassLabel, Dataset, Features, List, Value, load_from_disk

from ftcourse import evaluate_model, load_model, load_task
from ftcourse.core.errors import CourseError
from ftcourse.data.encode.texts import encode, encode_texts
from ftcourse.data.problems import BadRows
from ftcourse.metrics.evaluation import evaluate, strided_perplexity
from ftcourse.metrics.report import score_notes
from ftcourse.metrics.scores import f1
from ftcourse.tasks.qa import read_squad

CASES = FOLDER / "turn2"
FAULTS = CASES / "faults"
LINE = [sys.executable, "-W", "ignore", "-m", "ftcourse.course.cli.main"]
CONTEXT = "The north gate opened in May. Mara built it. Later Mara left the town for good."
CHECKS = {}


def case(check):
    "A check of the case whose name begins with the function's."
    CHECKS[check.__name__.replace("_", "-")] = check
    return check


def beside(name):
    "A file of a case."
    return str(CASES / name)


def read(name):
    return json.loads((CASES / name).read_text(encoding="utf-8"))


def refused(*args, **how):
    "What is said instead of a task."
    with pytest.raises(CourseError) as e:
        load_task(*args, **how)
    return str(e.value)


def size(task):
    return sum(map(len, task.splits.values()))


def two_classes(labels=("bad", "good"), **how):
    return load_model("tiny-bert", head="classify", labels=list(labels), **how)


@case
def e01():
    file = beside("e01-test-file-scored-in-part.test.csv")
    model = two_classes(load_task(file, split="test").labels)
    assert evaluate_model(model, file).rows == 100
    rows = load_task(file, split="test").test.select_columns(["text", "label"]).to_list()
    named = [r | {"label": model.labels[r["label"]]} for r in rows]
    assert evaluate_model(model, named).rows == evaluate_model(model, Dataset.from_list(named)).rows == 100
    assert evaluate_model(model, beside("e01-test-file-scored-in-part.tiny_test.csv")).rows == 3


@case
def e02():
    for name, labels in {
        "ml_comma": ["arts", "politics", "sport"],
        "ml_semi": ["arts", "politics", "sport"],
        "ml_pylist": ["a", "b", "c"],
        "ml_onehot": ["0", "1", "2"],
        "ls2": ["a", "b"],
    }.items():
        file = beside(f"e02-multilabel-in-one-string.{name}.csv")
        assert load_task(file, kind="multilabel", split="train").labels == labels
        assert 'kind="multilabel"' in refused(file)


@case
def e03():
    assert "question 3" in refused(beside("e03-squad-impossible-with-answers.sq_imp.json"))


@case
def e04():
    hidden = load_task(beside("e04-squad-without-answers.sq_test.json"), split="test")
    with pytest.raises(CourseError, match="no labels"):
        evaluate_model(load_model("tiny-bert", head="span"), hidden)
    for name in ("sq_noans", "sq_notyet"):
        file = beside(f"e04-squad-without-answers.{name}.json")
        task = load_task(file, split="test")
        assert [len(task.test), len(task.unlabelled)] == [2, 1]
        with pytest.raises(BadRows, match="question 3"):
            read_squad(file)


@case
def e06():
    assert "30 and 51" in refused([read("e06-answer-without-start-twice.json")["input"]])
    assert "at 30 and 51" in refused(beside("e06-answer-without-start-twice.qa_none.csv"))
    assert "30 or 51" in refused(beside("e06-answer-without-start-twice.sq_m1.json"))


@case
def e07():
    file = beside("e07-no-answer-as-empty-string.sq_ng.json")
    assert '"answers": [] and "is_impossible": true' in refused(file)
    with pytest.raises(BadRows, match='"answers": \\[\\] and "is_impossible": true'):
        read_squad(file)


@case
def e08():
    rows = ast.literal_eval(str(read("e08-answer-null.json")["input"]))
    assert "an answer is null" in refused(rows)


@case
def e10():
    names = ["anger", "joy", "fear", "pride"]
    features = Features({"text": Value("string"), "labels": List(ClassLabel(names=names))})
    labels = [[0], [0, 1], [2], [1, 2]] * 3
    data = Dataset.from_dict({"text": [f"t {i}" for i in range(12)], "labels": labels}, features=features)
    assert load_task(data, split="train").labels == names


@case
def e11():
    said = refused(beside("e11-cp1252-label-column.x_cpl.csv"))
    assert ".csv:2" in said
    assert "'Label' holds the byte 0xe9" in said
    assert "iconv" in said


@case
def e12():
    model = two_classes()
    folder = model.save(Path(os.environ["PYTEST_FOLDER"]) / "m")
    file = beside("e12-cp1252-predict.x_cp.csv")
    done = subprocess.run(
        [*LINE, "predict", folder, "--file", file, "--text", "Text"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "0xe9, which is not UTF-8" in done.stderr
    assert "iconv" in done.stderr


@case
def e13():
    for name in ("dec", "dec60"):
        said = refused(beside(f"e13-decimal-comma-scores.{name}.csv"))
        assert 'kind="regress"' in said


@case
def e16():
    import pandas as pd

    frame = pd.DataFrame({"text": [f"t {i}" for i in range(40)], "label": ["a", "b"] * 20})
    assert size(load_task(frame)) == 40
    both = load_task({"train": frame[:30], "test": frame[30:]})
    assert [len(both.train), len(both.test)] == [30, 10]


@case
def e18():
    folder = CASES / "e18-save-to-disk.saved"
    n = len(load_from_disk(str(folder)))
    assert size(load_task(folder)) == n
    assert size(load_task(next(folder.glob("*.arrow")))) == n


@case
def e19():
    from test_reports_numbers import Narrow  # a device that refuses 64 bits

    model, data = two_classes(), [{"text": f"t {i}", "label": ("bad", "good")[i % 2]} for i in range(8)]
    before, forward = evaluate_model(model, data).scores, model.forward
    model.forward = lambda batch: forward(batch).as_subclass(Narrow)
    assert evaluate_model(model, data).scores == before


@case
def e20():
    folder = two_classes(("好", "坏")).save(Path(os.environ["PYTEST_FOLDER"]) / "zh")
    env = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([*LINE, "predict", folder, "好 film"], capture_output=True, env=env, timeout=120)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


@case
def e21():
    said = refused(beside("e21-doccano-spans.dc_ner.jsonl"))
    assert "spans of a text" in said


@case
def e22():
    task = load_task(beside("e22-doccano-one-label-lists.dc.jsonl"))
    assert (task.kind, task.labels) == ("classify", ["bad", "good"])
    assert task.unlabelled["line"][:] == [1, 5, 9]


@case
def e23():
    task = load_task(beside("e23-label-studio-json.ls_full.json"))
    assert task.labels == ["bad", "good"]
    assert [size(task), len(task.unlabelled)] == [9, 3]


@case
def e25():
    task = load_task(beside("e25-excel-unicode-text.x_u16.txt"))
    assert (task.kind, task.labels, size(task)) == ("classify", ["bad", "good"], 12)


@case
def e27():
    files = {s: beside(f"e27-jigsaw-minus-one.jig_{s}.csv") for s in ("train", "test")}
    task = load_task(files, text="comment_text", label=["toxic", "insult"])
    unknown = [x for x in Path(files["test"]).read_text().splitlines() if x.endswith("-1,-1")]
    assert len(task.unlabelled) == len(unknown) > 0


@case
def e29():
    task = load_task([{"text": f"door {i} {j}", "label": f"c{i:02}"} for i in range(20) for j in range(6)])
    assert len(task.test) == len(task.validation) == 12
    assert any("12 of 120 rows cut off (10%" in n for n in task.notes)


@case
def e30():
    reader = two_classes()
    (row,) = ast.literal_eval(re.search(r"\[\{.*\}\]", read("e30-special-token-typed-by-a-user.json")["input"])[0])
    tokens = reader.tokenizer.convert_ids_to_tokens(encode_texts([row["text"]], reader.tokenizer)[0].ids)
    assert tokens.count("[SEP]") == 1  # ours, at the end
    assert "[MASK]" not in tokens


@case
def a_d09():
    rows = lambda word, labels: [{"text": f"{word} {i}", "label": x} for i, x in enumerate(labels)]
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        task = load_task({"train": rows("a", [-1, 0, 1] * 2), "test": rows("b", [-1] * 4)})
    assert "every label is -1" in " ".join(str(w.message) for w in heard)
    assert len(task.unlabelled) == 4


@case
def a_l05():
    path = FOLDER / "holdout" / "l05.json"
    writer = load_model("tiny-gpt", head="lm")
    rows = encode([{"text": "the soup was cold"}], writer.tokenizer, kind="lm", text="text", max_length=None)
    found, count = strided_perplexity(writer, "the soup was cold")
    assert count == len(rows.ids) - 1
    assert found == pytest.approx(evaluate(writer, rows)["perplexity"], rel=1e-5)
    if path.exists():  # kept back: its model is not among the cases
        assert "2.22554" in read("a-l05-strided.json")["expected"]


@case
def a_m01():
    t, p = np.array([0, 1, 2, 1]), np.array([0, 1, 1, 1])
    with pytest.raises(CourseError, match="two classes"):
        f1(t, p, "binary")
    # supports 1, 2, 1; F1 1, .8, 0
    assert f1(t, p, "weighted") == pytest.approx((1 + 2 * 0.8) / 4)
    assert any("'d'" in x for x in score_notes(t, p, ["a", "b", "c", "d"]))


@case
def a_q06():
    twice = {"question": "Who left?", "context": CONTEXT, "answers": {"text": ["Mara"], "answer_start": [3]}}
    assert "30 or 51" in refused([twice])
    form = {
        "question": "Where?",
        "context": "In the cafe\u0301.",
        "answers": {"text": ["caf\xe9"], "answer_start": [7]},
    }
    assert "Unicode's form" in refused([form])


@pytest.fixture(autouse=True)
def folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_FOLDER", str(tmp_path))


def names():
    "The cases of the folder: where it is absent, those that have a check."
    found = sorted(f.stem for f in CASES.glob("*.json") if "." not in f.stem)
    return found or sorted(CHECKS)


@pytest.mark.parametrize("name", names())
def test_case(name):
    if not CASES.exists():
        pytest.skip(f"no folder of cases ({CASES}): set FTCOURSE_CASES")
    short = re.match(r"(a-)?[a-z]\d\d", name)[0]
    assert short in CHECKS, f"{name} has no check"
    CHECKS[short]()


@pytest.mark.parametrize("file", sorted(FAULTS.glob("*.*")) or [FAULTS / "absent.csv"], ids=lambda f: f.name)
def test_fault_file(file):
    "Each gives a task, or a sentence that names it."
    if file.suffix not in (".txt", ".json", ".jsonl", ".csv", ".tsv"):
        pytest.skip("no data")
    if not file.exists():
        pytest.skip(f"no folder of cases ({CASES}): set FTCOURSE_CASES")
    try:
        task = load_task(file, on_bad="skip")
        assert size(task) + len(task.unlabelled or ()) + len(task.problems) > 0
        for split in task.splits if task.kind in ("classify", "multilabel") else ():
            task.label_ids(split)
        assert '"' not in str(task.train["text"][:]) or file.suffix != ".tsv"
    except CourseError as e:
        assert file.name in str(e)


# What is tried under stress takes kills, full disks and processes: where each line of faults/cases.md stands.
STRESS = {
    "run= a folder with the user's own": "runs.test_a_folder_of_one_s_own_is_refused_and_not_touched",
    "`ftcourse fine-tune` with `--split tset`": "jobs.test_a_split_with_a_slip_is_refused_before_training",
    "one bit of a checkpoint flipped": "runs.test_a_checkpoint_that_is_not_whole_is_not_used_and_the_one_before_is",
    "other validation rows": "runs.test_other_validation_rows_another_loss_and_other_groups_are_refused",
    "best checkpoint of a finished run deleted": "runs.test_a_deleted_or_damaged_best_checkpoint_is_said",
    "state.json cut; empty `step-9`": "runs.test_a_step_folder_that_is_none_is_named_and_its_cure_works",
    "300 classes × 3 rows": "rows.test_e29_a_cut_of_small_classes_keeps_to_its_share_and_says_what_is_not_in_it",
    "3,000 rows with label sets": "rows.test_e29_rows_with_label_sets_of_their_own_are_cut_too",
    "latin-1-accent-in-the-label.csv": "rows.test_e11_carried",
    "prepared file in the cache damaged": "runs.test_a_damaged_prepared_file_is_written_again",
    "settings-with-a-key-twice.ini": "terminal.test_nothing_in_settings_ini_is_ignored",
    "safetensors index": "runs.test_an_index_that_names_anything_else_is_refused_before_it_is_opened",
    "CSV whose lines each open a quote": "sources.test_lines_that_each_open_a_quote_take_linear_time",
    "predict(DataFrame)": "jobs.test_a_table_is_refused_with_the_cure_that_works",
    "*.jsonl, *.json, *.txt, *.tsv here": "sources.test_faults_files",
}


def test_every_fault_has_a_test_by_name():
    for place in STRESS.values():
        file, name = place.split(".")
        text = (Path(__file__).parent / f"test_reports_{file}.py").read_text(encoding="utf-8")
        assert f"def {name}(" in text, place
    if not FAULTS.exists():
        pytest.skip(f"no folder of cases ({CASES}): set FTCOURSE_CASES")
    lines = (FAULTS / "cases.md").read_text(encoding="utf-8").splitlines()
    rows = [x for x in lines if x.startswith("| ")][1:]
    assert len(rows) >= len(STRESS)
    for row in rows:
        assert any(row.startswith(f"| {begin}") for begin in STRESS), row
