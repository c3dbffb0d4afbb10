"What is scored: one table whole, however small; anything with splits of its own by its split (case e01)."

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from ftcourse import evaluate_model, load_model, load_task

CASES = Path(__file__).resolve().parent.parent.parent / "shared" / "cases" / "turn2"
ROWS = [
    {
        "text": f"the {'soup' if i % 3 else 'room'} was {('good', 'bad')[i % 2]}, visit {i}",
        "label": ("pos", "neg")[i % 2],
    }
    for i in range(40)
]


@pytest.fixture(scope="module")
def model():
    return load_model("tiny-bert", head="classify", labels=["neg", "pos"])


def table(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def rows_scored(model, source, **how):
    return evaluate_model(model, source, **how).rows


@pytest.mark.parametrize(("name", "rows"), [("test", 100), ("tiny_test", 3)])
def test_e01_a_test_file_is_scored_whole(model, name, rows):
    file = CASES / f"e01-test-file-scored-in-part.{name}.csv"
    if not file.exists():
        pytest.skip("the cases are not beside the repository")
    assert rows_scored(model, str(file)) == rows


@pytest.mark.parametrize("n", [1, 3, 40])
def test_e01_a_file_a_list_and_a_dataset_of_any_size_are_scored_whole(model, tmp_path, n):
    few = ROWS[:n]
    assert rows_scored(model, few) == n
    assert rows_scored(model, Dataset.from_list(few)) == n
    assert rows_scored(model, table(tmp_path / "t.csv", few)) == n
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, few)), encoding="utf-8")
    assert rows_scored(model, str(tmp_path / "t.jsonl")) == n


def test_e01_whatever_the_file_and_the_split_are_called(model, tmp_path):
    for name in ("train.csv", "dev.csv", "export of May.csv"):
        assert rows_scored(model, table(tmp_path / name, ROWS)) == 40
    assert rows_scored(model, table(tmp_path / "x.csv", ROWS), split="validation") == 40


def test_e01_splits_of_their_own_are_kept(model, tmp_path):
    splits = {"train": ROWS, "test": ROWS[:7]}
    assert rows_scored(model, splits) == 7
    assert rows_scored(model, DatasetDict({s: Dataset.from_list(r) for s, r in splits.items()})) == 7
    for split, rows in splits.items():
        table(tmp_path / f"{split}.csv", rows)
    assert rows_scored(model, str(tmp_path)) == 7
    task = load_task(ROWS)
    assert rows_scored(model, task) == len(task.test) < 40


def test_e01_by_command_line(model, tmp_path):
    folder = model.save(tmp_path / "model")
    line = [sys.executable, "-W", "ignore", "-m", "ftcourse.course.cli.main", "evaluate", str(folder)]
    file = str(table(tmp_path / "test.csv", ROWS))
    done = subprocess.run([*line, file, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["rows"] == 40


def test_rows_that_are_there_twice_are_said_where_they_are_many(model):
    said = lambda rows: [note for note in evaluate_model(model, rows).notes if "repeat another" in note]
    assert said(ROWS) == []
    assert said(ROWS + ROWS[:2]) == []  # 2 of 42
    (note,) = said(ROWS + ROWS[:3])
    assert note.startswith("3 of 43 rows repeat another, text and label: the intervals")
    other = [dict(row, label={"pos": "neg", "neg": "pos"}[row["label"]]) for row in ROWS]
    assert said(ROWS + other) == []  # the same texts with another label
    unread = [dict(row, text="房间" * (i + 1)) for i, row in enumerate(ROWS)]
    assert said(unread) == []  # all are [UNK] to this model, and none is another


def test_a_test_that_does_not_reach_its_level_says_so_though_the_interval_leaves_out_0():
    from ftcourse.metrics.comparison import Comparison

    told = lambda p: str(Comparison("macro_f1", ("a", "b"), (0.75, 0.74), 0.012, 0.002, 0.023, p, None, 200, None))
    assert told(0.04).endswith("a is better")
    assert told(0.06).endswith(
        "the interval leaves out 0, but p is not below 0.05: these rows do not show which is better"
    )
