"""Your own file, end to end: a table as people have it, read or refused in a sentence; tuned; scored; saved; loaded by
transformers alone; pushed to the hub's stand-in and loaded back by its id. By command line and by package."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from console import called
from hub import Hub, without_proxies

from ftcourse import evaluate_model, fine_tune_model, load_model, load_task
from ftcourse.core.errors import CourseError
from ftcourse.course.cli.main import main
from ftcourse.data.problems import BadRows
from ftcourse.data.world.generator import generate

TEXTS = [
    "The waiter was charming; we come again.",
    "Our room was dirty, and the lamp broke.",
    "ça alors — 'très' bien \U0001f600",
]


def table(path, header=(None, " Opinion ", "Opinion ID", "STARS"), sep=";", mark=True, n=160):
    """A table as a spreadsheet writes it: a byte order mark, semicolons, an index column without a name, spaces in the
    header.
    """
    with open(path, "w", newline="", encoding="utf-8-sig" if mark else "utf-8") as f:
        f.write(sep.join(h or "" for h in header) + "\r\n")  # as it is, quoted or not
        rows = csv.writer(f, delimiter=sep)
        for i, r in enumerate(generate("reviews", "train", n, seed=4)):
            text = r["text"] if i % 7 else r["text"].replace(". ", ".\n", 1)
            rows.writerow([i, text, f"id-{i}", {"positive": "5 stars", "negative": "1 star"}[r["label"]]])
    return path


GUARD = """
import sys
class Refuse:
    def find_spec(self, name, *rest):
        if name.split(".")[0] == "ftcourse":
            raise ImportError("this process does without ftcourse")
sys.meta_path.insert(0, Refuse())
"""


def alone(code, **more):
    "What a Python without ftcourse prints, as JSON."
    env = without_proxies() | {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"} | more
    done = subprocess.run([sys.executable, "-c", GUARD + code], capture_output=True, text=True, timeout=300, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


PIPELINE = """
import json
from transformers import pipeline
said = pipeline("text-classification", model=FOLDER)(TEXTS)
assert "ftcourse" not in sys.modules
print(json.dumps([[x["label"], x["score"]] for x in said]))"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    "(table, folder of the model that the command line made of it, what it reported)."
    place = tmp_path_factory.mktemp("own")
    data = table(place / "my reviews.csv")
    asked = "--text Opinion --label STARS --epochs 4 --lr 5e-4 --json".split()
    code, said, _ = called("fine-tune", data, *asked, "--out", place / "mine")
    assert code == 0
    return data, place / "mine", json.loads(said)


# ------------------------------------------------------------------ from the command line
def test_a_messy_table_by_command_line_to_a_folder_that_transformers_reads(mine):
    data, folder, found = mine
    low, high = found["interval"]["accuracy"]
    assert found["rows"] == 16
    assert 0.6 < found["scores"]["accuracy"] <= high
    assert low < high
    card = (folder / "README.md").read_text(encoding="utf-8")
    for part in (
        "## Data",
        "- train: 128 rows",
        "my reviews.csv",
        "## Recipe",
        "epochs 4",
        "## Scores",
        "95% interval",
        "## Limits",
        "16 rows of",
        "Labels: 1 star, 5 stars",
    ):
        assert part in card, part
    code, said, _ = called("predict", folder, *TEXTS, "--json")
    ours = [x["label"] for x in json.loads(said)]
    theirs = alone(PIPELINE.replace("FOLDER", repr(str(folder))).replace("TEXTS", repr(TEXTS)))
    assert code == 0
    assert [label for label, _ in theirs] == ours
    assert set(ours) <= {"1 star", "5 stars"}
    p = load_model(folder).probabilities(TEXTS).max(-1)
    assert max(abs(a - b) for a, (_, b) in zip(p, theirs)) < 1e-4  # the same numbers, not only the same answers
    code, said, _ = called("evaluate", folder, data, "--text", "Opinion", "--label", "STARS", "--json")
    assert code == 0
    whole = evaluate_model(load_model(folder), str(data), text="Opinion", label="STARS")
    assert json.loads(said)["scores"] == pytest.approx(dict(whole.scores))
    assert json.loads(said)["rows"] == whole.rows == 160, "a file is scored whole; its test split is what training cut"


HEADERS = {  # what stands in the header: what the sentence says
    "not the column asked for": ((None, " Opinion ", "id", "STARS"), ["'opinion'", "'Opinion'", "'STARS'"]),
    "used twice": (("text", "text", "id", "label"), [":1:", "'text' more than once", "Rename one"]),
    "no usual name": (
        ("a", "b", "c", "d"),
        ["no column has a usual name for the text", "'a', 'b', 'c', 'd'", "Pass --text b --label d"],
    ),
}


@pytest.mark.parametrize("what", HEADERS)
def test_a_header_that_does_not_say_is_refused_with_the_columns_there_are(tmp_path, capsys, what):
    header, words = HEADERS[what]
    data = table(tmp_path / "mine.csv", header)
    asked = ["--text", "opinion", "--label", "stars"] if what.startswith("not") else []
    assert main(["fine-tune", str(data), *asked]) == 1
    complaint = capsys.readouterr().err
    assert "Traceback" not in complaint
    assert "mine.csv" in complaint
    for word in words:
        assert word in complaint, complaint


# ------------------------------------------------------------------ by the package
@pytest.mark.parametrize(
    "header, sep, mark",
    [
        ((None, " Text ", "n", "LABEL"), ";", True),
        (("", "Review", "x", "Sentiment "), ",", True),
        (("#", "TEXT", "id", "Label"), "\t", False),
        (("i", "text", "id", "label"), "|", True),
    ],
)
def test_usual_names_are_found_whatever_their_capitals_separators_and_marks(tmp_path, header, sep, mark):
    task = load_task(str(table(tmp_path / "t.csv", header, sep, mark)))
    assert sum(map(len, task.splits.values())) == 160
    assert task.kind == "classify"
    assert task.labels == ["1 star", "5 stars"]
    assert task.text == (header[1].strip(),)
    assert task.label == header[3].strip()
    assert any("\n" in x for x in task.train[task.text[0]])
    again = table(tmp_path / "again.csv", header, sep, mark)
    named = load_task(str(again), text=header[1].strip(), label=header[3].strip())
    assert sum(map(len, named.splits.values())) == 160


def test_bad_rows_are_named_by_file_and_line_before_anything_trains(tmp_path, capsys):
    data = table(tmp_path / "data.csv", ("n", "text", "id", "label"), ",", n=30)
    lines = data.read_text(encoding="utf-8-sig").splitlines()
    before = len(lines)
    lines += ["30,,id-30,5 stars", "31,one, two,id-31,1 star", "32,   ,id-32,1 star", "33,no label here,id-33,"]
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(BadRows, match='on_bad="skip"') as refused:
        load_task(str(data))
    assert [(p.file, p.line) for p in refused.value.problems] == [("data.csv", before + i) for i in (1, 2, 3)]
    assert [p for p in refused.value.problems if not p.what] == []
    assert [p for p in refused.value.problems if not p.cure] == []
    assert main(["fine-tune", str(data), "--out", str(tmp_path / "m")]) == 1
    assert not (tmp_path / "m").exists()
    said = capsys.readouterr().err
    for i in (1, 2, 3):
        assert f"data.csv:{before + i}: " in said
    kept = load_task(str(data), on_bad="skip")
    assert len(kept.problems) == 3
    assert len(kept.unlabelled) == 1
    assert sum(map(len, kept.splits.values())) == 30


@pytest.mark.parametrize(
    "name, inside, words",
    [
        ("a.txt", "", ["a.txt", "one text a line"]),
        ("a.csv", "", ["a.csv", "needs a header"]),
        ("a.csv", "text,label\n", ["a.csv", "needs a header and at least one row"]),
        ("a.jsonl", '{"text": "a"\n', ["a.jsonl:2", "not JSON", "one whole object on each line"]),
        ("a.jsonl", "[1, 2]\n", ["a.jsonl:1"]),
        ("a.csv", "PK\x03\x04", ["a.csv", "spreadsheet", "CSV"]),
        ("a.docx", "x", [".docx", "are not read", ".csv"]),
        ("a.csv", "text,label\nfine,1\nbad,1\n", ["a.csv", "label"]),
        ("a.csv", 'text,label\n"never closed,1\nb,0\n', ["a.csv:2", "quote"]),
    ],
)
def test_what_cannot_be_read_is_said_with_the_file_and_the_cure(tmp_path, name, inside, words):
    (tmp_path / name).write_text(inside, encoding="latin-1")
    first, *others = words
    with pytest.raises(CourseError, match=f"(?i){re.escape(first)}") as refused:
        fine_tune_model("tiny-bert", str(tmp_path / name), max_steps=1)
    for word in others:
        assert word.lower() in str(refused.value).lower(), refused.value


# ------------------------------------------------------------------ to the hub and back
def test_pushed_by_command_line_and_loaded_back_by_its_id(mine, tmp_path):
    data, folder, found = mine
    here = json.loads(called("predict", folder, *TEXTS, "--json")[1])
    with Hub() as hub:
        env = without_proxies() | hub.environment(tmp_path)

        def run(*arguments):
            call = [sys.executable, "-m", "ftcourse.course.cli.main", *map(str, arguments)]
            return subprocess.run(call, capture_output=True, text=True, timeout=400, env=env)

        sent = run("push", folder, "someone/my-reviews", "--json")
        assert sent.returncode == 0, sent.stderr
        assert json.loads(sent.stdout)["address"] == f"{hub.endpoint}/someone/my-reviews", sent.stderr
        there = run("predict", "someone/my-reviews", *TEXTS, "--json")
        assert there.returncode == 0, there.stderr[-2000:]
        assert json.loads(there.stdout) == here, there.stderr[-2000:]
        scored = run("evaluate", "someone/my-reviews", data, "--text", "Opinion", "--label", "STARS", "--json")
        whole = called("evaluate", folder, data, "--text", "Opinion", "--label", "STARS", "--json")[1]
        assert json.loads(scored.stdout)["scores"] == json.loads(whole)["scores"]
        assert json.loads((folder / "report.json").read_text())["scores"] == found["scores"]
        by_id = alone(
            PIPELINE.replace("FOLDER", "'someone/my-reviews'").replace("TEXTS", repr(TEXTS)),
            **hub.environment(tmp_path / "other"),
        )
        assert [label for label, _ in by_id] == [x["label"] for x in here]
    assert called("push", tmp_path, "someone/nothing")[0] == 1  # no model there


def test_the_same_by_package(tmp_path):
    from ftcourse.core.hparams import HyperParams
    from ftcourse.course.cli.model_card import save_with_card

    task = load_task(str(table(tmp_path / "mine.csv")), text="Opinion", label="STARS")
    hp = HyperParams(max_steps=8, lr=5e-4)
    model = fine_tune_model("tiny-bert", task, max_steps=8, lr=5e-4)
    report = evaluate_model(model, task)
    folder = save_with_card(model, task, report, hp, tmp_path / "mine")
    names = {p.name for p in Path(folder).iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "report.json"} <= names
    assert not [n for n in names if n.endswith(".bin")]
    assert load_model(folder).predict(TEXTS) == model.predict(TEXTS)
    assert evaluate_model(load_model(folder), task).scores == report.scores
    theirs = alone(PIPELINE.replace("FOLDER", repr(str(folder))).replace("TEXTS", repr(TEXTS)))
    assert [label for label, _ in theirs] == model.predict(TEXTS)
