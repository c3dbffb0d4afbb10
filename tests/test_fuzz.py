"""Spoilt files and other input give a result or a `CourseError` that says where and what to do: see measure/fuzz.py.

The same inputs each time (derandomised, no database), so that CI says the same twice; `make fuzz` tries many more.
"""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "measure"))
import fuzz  # noqa: E402

TRIES = {  # some 40 s in all, on one core of a slow machine
    "files": 800,
    "keywords of load_task": 300,
    "sources in memory": 400,
    "hyperparameters": 500,
    "prediction inputs": 200,
    "command lines": 60,
    "settings.ini": 300,
}
EACH = dict(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def folder():
    with fuzz.quiet() as folder:
        yield folder


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_spoilt_input_gives_a_result_or_an_error_with_its_cure(kind, folder, recwarn):
    @settings(max_examples=TRIES[kind], **EACH)
    @given(st.integers(0, 2**32))
    def spoilt(seed):
        _, wrong = fuzz.KINDS[kind][0](fuzz.Random(seed), folder)
        assert not wrong, wrong

    spoilt()


def test_the_fuzz_finds_faults():
    "An error of another kind, and messages without a place, a cure, or with Python in them, are faults."

    def refuse(message, kind=fuzz.CourseError):
        raise kind(message)

    right = "a.csv:3: 'text' is empty. Write a text"
    assert (
        fuzz.tried(lambda: refuse(right), "a.csv") == ("CourseError", None)
        or not fuzz.tried(lambda: refuse(right), "a.csv")[1]
    )
    assert fuzz.tried(lambda: refuse(right, ValueError), "a.csv")[1].startswith("ValueError")
    assert "does not name the file" in fuzz.tried(lambda: refuse(right), "b.csv")[1]
    assert "names no cure" in fuzz.tried(lambda: refuse("a.csv is odd"), "a.csv")[1]
    assert "says 'KeyError'" in fuzz.tried(lambda: refuse(f"{right} (KeyError)"), "a.csv")[1]
    assert list(fuzz.faults_of("a\x1b[2J. Write it")) == ["the message holds the control character '\\x1b'"]


def test_what_the_fuzz_begins_with_is_read(folder):
    for name, (text, how) in fuzz.valid_texts().items():
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8", newline="")
        if name == "bio.tsv":
            continue  # words and tags: refused or read as the columns say
        assert fuzz.loaded(path, **how).splits, name
