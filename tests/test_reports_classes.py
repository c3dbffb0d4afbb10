"Rows of a class that the model or train does not have, draws of one class, several files for a split: said in time."

import csv
import json
import re

import pytest
from console import called

from ftcourse import evaluate_model, fine_tune_model, load_model, load_task
from ftcourse.core.errors import CourseError
from ftcourse.data.problems import BadRows
from ftcourse.metrics.evaluation import evaluate

TEXTS = [f"a fine day number {i} in town" for i in range(40)]
ROWS = [(text, ("neg", "pos")[i % 2]) for i, text in enumerate(TEXTS)]


def write_rows(path, rows, head=("text", "label")):
    path.parent.mkdir(exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([head, *rows])
    return path


@pytest.fixture(scope="module")
def model():
    return load_model("tiny-bert", head="classify", labels=["neg", "pos"], seed=1)


# T22: a class that the model does not have

STRAYS = [*ROWS[:9], ("neither", "neutral"), *ROWS[9:], ("Total", "40")]


def test_a_class_that_the_model_lacks_names_file_and_line_and_may_be_left_out(model, tmp_path):
    file = write_rows(tmp_path / "test.csv", STRAYS)
    with pytest.raises(CourseError, match=r"no class '40', 'neutral'.*2 of 42 rows.*test\.csv:11; on_bad=\"skip\""):
        evaluate_model(model, file)
    report = evaluate_model(model, file, on_bad="skip")
    assert report.rows == 40
    assert any("2 rows, the first: test.csv:11: the model has no class 'neutral'" in n for n in report.notes)
    whole = evaluate_model(model, write_rows(tmp_path / "clean.csv", ROWS))
    assert report.scores == whole.scores
    assert report.labels == whole.labels == ["neg", "pos"]


@pytest.mark.parametrize("form", ["rows", "jsonl", "task"])
def test_it_is_so_for_other_sources(model, tmp_path, form):
    rows = [{"text": text, "label": label} for text, label in STRAYS]
    file = tmp_path / "x.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    place = r"x\.jsonl:10;" if form == "jsonl" else "the data row 9;"
    if form == "task":
        data = load_task(rows, split="test")
        with pytest.raises(CourseError, match=place):
            evaluate(model, data)
        assert evaluate(model, data, on_bad="skip").rows == 40
        assert len(data.test) == 42
        assert not data.problems
        return
    source = rows if form == "rows" else file
    with pytest.raises(CourseError, match=place):
        evaluate_model(model, source)
    assert evaluate_model(model, source, on_bad="skip").rows == 40


def test_rows_of_a_class_that_no_row_of_the_split_has_are_none(model):
    three = [*ROWS, *[(f"neither {i}", "neutral") for i in range(9)]]
    parts = {"train": three, "test": ROWS}
    task = load_task({s: [{"text": a, "label": b} for a, b in rows] for s, rows in parts.items()})
    with pytest.raises(CourseError, match="no class 'neutral'.*Train it on this task"):
        evaluate_model(model, task, on_bad="skip")


def test_where_all_rows_are_strange_nothing_is_left_out(model):
    rows = [{"text": text, "label": ("no", "yes")[i % 2]} for i, text in enumerate(TEXTS)]
    for on_bad in ("error", "skip"):
        with pytest.raises(CourseError, match="no class 'no', 'yes'.*40 of 40 rows") as e:
            evaluate_model(model, rows, on_bad=on_bad)
        assert "on_bad" not in str(e.value)


def test_several_labels_of_which_the_model_lacks_one(tmp_path):
    tags = load_model("tiny-bert", head="multilabel", labels=["a", "b"], seed=1)
    rows = [{"text": t, "labels": [["a"], ["b"], ["a", "b"], []][i % 4]} for i, t in enumerate(TEXTS)]
    strange = [*rows, {"text": "a strange one", "labels": ["a", "c"]}]
    with pytest.raises(CourseError, match=r"'c'.*1 of 41 rows.*the data row 40; on_bad"):
        evaluate_model(tags, strange)
    report = evaluate_model(tags, strange, on_bad="skip")
    assert report.rows == 40
    assert report.scores == evaluate_model(tags, rows).scores


def test_the_command_line_names_its_flag_and_counts_what_it_leaves_out(model, tmp_path):
    folder = model.save(tmp_path / "m")
    file = write_rows(tmp_path / "test.csv", STRAYS)
    code, _, why = called("evaluate", folder, file)
    assert (code, "test.csv:11; --on-bad skip leaves" in why) == (1, True)
    code, said, _ = called("evaluate", folder, file, "--on-bad", "skip")
    assert code == 0
    assert "test.csv:11: the model has no class 'neutral'" in said


# T33


@pytest.mark.parametrize("several", ["['neg', 'pos']", "neg;pos"])
def test_several_labels_that_only_test_has_offer_multilabel(tmp_path, several):
    form = "['{}']".format if several[0] == "[" else str
    rows = [(text, form(label)) for text, label in ROWS]
    write_rows(tmp_path / "d" / "train.csv", rows)
    write_rows(tmp_path / "d" / "test.csv", [*[(f"new: {a}", b) for a, b in rows[:5]], ("both", several)])
    with pytest.raises(BadRows, match=r'test\.csv:7: .*Pass kind="multilabel"'):
        load_task(tmp_path / "d")
    task = load_task(tmp_path / "d", kind="multilabel")
    assert task.labels == ["neg", "pos"]
    assert [1, 1] in task.test["label"]


# T37


def test_rows_of_one_class_are_refused_before_training():
    rows = [{"text": text, "label": "rare" if i % 10 == 3 else "common"} for i, text in enumerate(TEXTS)]
    with pytest.raises(CourseError, match="rows=1 of the data: .*nothing to tell apart") as e:
        fine_tune_model("tiny-bert", rows, rows=1, max_steps=1)
    enough = int(re.search(r"Take rows=(\d+)", str(e.value))[1])
    task = load_task(rows)
    assert len(set(task.take(enough).train["label"])) == 2
    assert len(set(task.take(enough - 1).train["label"])) == 1
    fine_tune_model("tiny-bert", rows, rows=enough, max_steps=1)


# T18


def test_several_files_for_train_offer_what_reads_them(tmp_path):
    folder = tmp_path / "d"
    for i in (1, 2):
        write_rows(folder / f"train_{i}.csv", ROWS[20 * (i - 1) : 20 * i])
    write_rows(folder / "test.csv", [(f"new: {a}", b) for a, b in ROWS[:8]])
    with pytest.raises(CourseError, match="2 files for train") as e:
        load_task(folder)
    one = eval(re.search(r"load_task\((\{.*?\})\)", str(e.value))[1])
    assert one == {"test": str(folder / "test.csv"), "train": str(folder / "train_1.csv")}
    assert len(load_task(one).test) == 8
    names = re.findall(r"train-\d-of-2\.csv", str(e.value))
    assert len(names) == 2
    for i, name in enumerate(names, 1):
        (folder / f"train_{i}.csv").rename(folder / name)
    task = load_task(folder)
    assert len(task.train) + len(task.splits.get("validation", ())) == 40
