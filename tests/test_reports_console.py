"Output to a console or pipe that cannot encode a character never ends a command (case e20)."

import json
import os
import subprocess
import sys

import pytest

from ftcourse import load_model

LINE = [sys.executable, "-W", "ignore", "-m", "ftcourse.course.cli.main"]
TEXTS = ["这家饭店很好", "zażółć gęślą", "fine \U0001f600"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    model = load_model("tiny-bert", head="classify", labels=["坏", "好 \U0001f600"])
    return str(model.save(tmp_path_factory.mktemp("model") / "m"))


def run(*arguments, encoding):
    env = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    return subprocess.run([*LINE, *arguments], capture_output=True, env=env)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_e20_predictions_are_printed_whatever_the_encoding(folder, encoding):
    done = run("predict", folder, *TEXTS, encoding=encoding)
    assert done.returncode == 0, done.stderr.decode(encoding, "replace")
    lines = done.stdout.decode(encoding).splitlines()
    assert len(lines) == len(TEXTS)
    assert ("?" in lines[0]) == (encoding != "utf-8")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_e20_json_loses_no_character(folder, encoding):
    done = run("predict", folder, *TEXTS, "--json", encoding=encoding)
    assert done.returncode == 0
    rows = json.loads(done.stdout.decode(encoding))
    assert [r["text"] for r in rows] == TEXTS
    assert {r["label"] for r in rows} <= {"坏", "好 \U0001f600"}


def test_e20_an_error_message_too(folder):
    done = run("predict", folder, "--file", "没有.csv", encoding="cp1252")
    assert done.returncode == 1
    assert b"there is no file" in done.stderr
