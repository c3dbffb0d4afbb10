"""The planner from outside: its command, what it refuses, and its count beside what is measured."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ftcourse.course.cli.main import main
from ftcourse.train import footprint

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "measure"))

ON_PAPER = ["plan", "8B", "2000x512", "--card", "A100-80"]


def test_the_command_prints_a_table_with_every_assumption(capsys):
    assert main([*ON_PAPER, "--cards", "8", "--price", "2"]) == 0
    said = capsys.readouterr().out
    head, *rows = said.splitlines()[2:12]
    for word in ("weights", "gradients", "optimizer", "activations", "peak", "sent", "cost"):
        assert word in head
    assert len(rows) >= 8 and any(row.startswith("sharded over 8") for row in rows)
    assert "a card costs 2 an hour" in said and "utilisation=" in said and "2,000 rows" in said


def test_the_command_gives_json(capsys):
    assert main([*ON_PAPER, "--cards", "8", "--price", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["assumptions"] and len(found["strategies"]) >= 8
    for row in found["strategies"]:
        parts = (row[f"{p}_bytes"] for p in ("weights", "optimizer"))
        assert row["peak_bytes"] >= sum(parts) and row["seconds"] > 0 and row["cost"] > 0
    free = json.loads((main([*ON_PAPER, "--json"]), capsys.readouterr().out)[1])
    assert {row["cost"] for row in free["strategies"]} == {None}


def test_the_command_reads_a_file_and_a_folder(capsys, tmp_path):
    file = tmp_path / "mine.csv"
    lines = [f"the room was {'good' if i % 2 else 'bad'} and the {i} th day too,{i % 2}" for i in range(40)]
    file.write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    assert main(["plan", "mini-bert", str(file), "--card", "T4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "classify" in found["plan"] and "T4" in found["plan"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["8B", "2000x512", "--card", "H101"], "choose one of T4"),
        (["8B", "2000x512", "--price", "0"], "give a number above 0"),
        (["8B", "2000x512", "--utilisation", "2"], "at most 1"),
        (["8B", "2000x512", "--kind", "classify"], "Leave --kind out"),
        (["./nowhere", "2000x512"], "there is no model folder"),
        (["tiny-bert", "nothing.csv"], "nothing.csv"),
        (["tiny-bert", "world"], "plan a decoder"),
        (["tiny-gpt", "preferences"], "whose updates run a model several times"),
    ],
)
def test_bad_input_is_one_sentence_on_standard_error(capsys, arguments, said):
    assert main(["plan", *arguments]) == 1
    found = capsys.readouterr()
    assert said in found.err and not found.out and len(found.err.strip().splitlines()) == 1


def test_an_architecture_that_is_not_known_is_refused(capsys, tmp_path):
    from transformers import T5Config

    T5Config().save_pretrained(tmp_path)
    shutil.copy(ROOT / "ftcourse" / "assets" / "tiny-bert" / "tokenizer.json", tmp_path)
    shutil.copy(ROOT / "ftcourse" / "assets" / "tiny-bert" / "tokenizer_config.json", tmp_path)
    assert main(["plan", str(tmp_path), "reviews", "--card", "T4"]) == 1
    assert "does not know how a t5 is built" in capsys.readouterr().err


def test_the_word_table_is_counted_as_it_is_trained():
    from ftcourse.train import word_rows

    assert footprint.WORTHWHILE == word_rows.WORTHWHILE


def test_the_planner_is_light():
    done = subprocess.run(
        [sys.executable, "-c", "import sys, ftcourse.experiments.plan; print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.strip() == "False"


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="peaks are read from /proc")
def test_a_measured_peak_is_within_a_tenth_of_the_count(monkeypatch):
    "More cases stand in measure/scale_planner.md."
    from common import alone
    from scale_planner import OWN, case, measured

    for name, value in (OWN | {"OMP_NUM_THREADS": "1"}).items():
        monkeypatch.setenv(name, value)
    run = alone(measured, case("tiny-bert", batch=64))
    assert 0.9 < run["counted"] / run["bytes"] < 1.1


def test_bytes_between_processes_are_those_of_the_ring():
    from scale_planner import LAWS
    from traffic import traffic

    if shutil.which("unshare") is None or (found := traffic(2, width=256, layers=3)) is None:
        pytest.skip("no network namespace can be made here, in which nobody else is counted")
    matrix = 256 * 256 * 4
    for name, law in LAWS.items():
        expected = law(2, 3)
        if name == "reduce-scatter":  # gloo has none: torch does an all-reduce, which sends twice as much
            expected *= 2
        if name == "sharded":
            expected *= 4 / 3
        assert found[name] == pytest.approx(expected * matrix, rel=0.05), name
