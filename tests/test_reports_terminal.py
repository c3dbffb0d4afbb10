"""Control characters of data never reach a terminal, whatever view of it is printed; nothing of settings.ini is
ignored.
"""

import contextlib
import io
import json
import re
import warnings

import numpy as np
import pytest

from ftcourse import CourseError, evaluate_model, load_model, load_task
from ftcourse.core.errors import printable, printable_lines, warn
from ftcourse.core.settings import settings
from ftcourse.core.tables import text_table
from ftcourse.course.cli.main import main
from ftcourse.data.encode.show import show_tokens, unk_report
from ftcourse.data.encode.texts import encode_texts
from ftcourse.data.problems import Problem

BAD = "\x1b[31m\x07\x85\u202e\u2028\r"
SEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
ROWS = [{"text": f"text {BAD}{i}", "label": f"{'ab'[i % 2]}{BAD}x"} for i in range(40)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    "A task, a model and its files, with control characters in texts, labels and names."
    folder = tmp_path_factory.mktemp("views")
    (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in ROWS), encoding="utf-8")
    lost = [*ROWS, {"text": f"{BAD}", "label": {"a": BAD}}, {"text": "a", "label": f"new{BAD}", BAD: 1}]
    (folder / "lost.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lost), encoding="utf-8")
    task = load_task(folder / "lost.jsonl", on_bad="skip", kind="classify")
    model = load_model("tiny-bert", head="classify", labels=task.labels)
    model.save(folder / "m")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = evaluate_model(model, task)
    return {"folder": folder, "task": task, "model": model, "report": report}


def refused(call):
    with pytest.raises(CourseError) as e:
        call()
    return str(e.value)


def warned(text):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        warn(text)
    return str(found[0].message)


def line(made, *words):
    "What a command prints."
    out = io.StringIO()
    here = [str(made["folder"] / w) if w in ("m", "rows.jsonl", "lost.jsonl") else w for w in words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), contextlib.suppress(SystemExit):
        main(here)
    return out.getvalue()


def odd_name(folder):
    path = folder / f"odd{BAD}.jsonl"
    path.write_bytes((folder / "rows.jsonl").read_bytes())
    return path


def explorers():
    from ftcourse.course.explorers.tokens import show_pieces

    return show_pieces


VIEWS = {
    "str(task)": lambda m: str(m["task"]),
    "repr(task)": lambda m: repr(m["task"]),
    "a task of a file with an odd name": lambda m: str(load_task(odd_name(m["folder"]))),
    "repr(task.notes)": lambda m: repr(m["task"].notes),
    "problems": lambda m: repr(m["task"].problems) + refused(lambda: load_task(m["folder"] / "lost.jsonl")),
    "an error on columns": lambda m: refused(lambda: load_task([{BAD: "a", f"{BAD}2": "b"}] * 3)),
    "an error on labels": lambda m: refused(lambda: load_task(ROWS, labels=[BAD, "b"])),
    "an error on a path": lambda m: refused(lambda: load_task(f"nowhere{BAD}.csv")),
    "an error on a file": lambda m: refused(lambda: load_task({"train": f"nowhere{BAD}.csv"})),
    "an error on a keyword": lambda m: refused(lambda: load_task(ROWS, kind=BAD)),
    "an error on a model's name": lambda m: refused(lambda: load_model(f"nowhere{BAD}")),
    "a problem in an error": lambda m: str(CourseError(str(Problem(f"a{BAD}", 1, BAD, BAD)))),
    "a warning": lambda m: warned(BAD),
    "str(report)": lambda m: str(m["report"]),
    "repr(report)": lambda m: repr(m["report"]),
    "the hardest rows": lambda m: str(m["report"].hardest(9)),
    "repr(model)": lambda m: repr(m["model"]),
    "tokens": lambda m: str(show_tokens(encode_texts([BAD + "a"], m["model"].tokenizer, 32)[0], m["model"].tokenizer)),
    "pieces": lambda m: str(explorers()(BAD + "a", m["model"].tokenizer)),
    "[UNK] of a task": lambda m: str(unk_report(m["task"], m["model"].tokenizer)),
    "a table": lambda m: text_table([["name", "value"], [BAD, "1"]]),
    "predict": lambda m: line(m, "predict", "m", "a" + BAD, "b").replace("\t", " "),
    "predict --json": lambda m: line(m, "predict", "m", "a" + BAD, "b", "--json"),
    "predict --file": lambda m: line(m, "predict", "m", "--file", "lost.jsonl", "--on-bad", "skip").replace("\t", " "),
    "evaluate": lambda m: line(m, "evaluate", "m", "lost.jsonl", "--on-bad", "skip", "--kind", "classify"),
    "evaluate --json": lambda m: line(m, "evaluate", "m", "rows.jsonl", "--json"),
    "evaluate, refused": lambda m: line(m, "evaluate", "m", "lost.jsonl"),
    "evaluate, no column": lambda m: line(m, "evaluate", "m", "rows.jsonl", "--text", BAD),
    "a wrong flag": lambda m: line(m, "predict", f"--{BAD}"),
    "a wrong choice": lambda m: line(m, "evaluate", "m", "rows.jsonl", "--split", BAD),
    "a wrong command": lambda m: line(m, BAD),
    "a model that is not there": lambda m: line(m, "predict", f"no{BAD}", "a"),
    "progress of a class": lambda m: line(m, "progress", f"no{BAD}"),
}


@pytest.mark.parametrize("view", VIEWS)
def test_control_characters_are_shown_and_not_sent(view, made):
    said = VIEWS[view](made)
    assert said.strip(), "nothing is shown"
    assert not SEEN.search(said), ascii(said)


def test_a_view_still_shows_what_can_be_read(made):
    assert "a\\x1b[31m" in str(made["task"]) and "\\u202e" in str(made["report"].hardest(3))
    assert json.loads(line(made, "predict", "m", "a" + BAD, "--json"))[0]["text"] == "a" + BAD


@pytest.mark.parametrize("text", ["plain", "Ünï\u0301 😃", "نص", "日本", "a b", "-–—", "\u200cنمی\u200cخواهم"])
def test_what_can_be_read_stays_as_it_is(text):
    assert printable(text) == text == printable_lines(text)


def test_a_text_of_several_lines_keeps_them():
    assert printable_lines("a\nb\tc") == "a\nb\\tc" and printable("a\nb") == "a\\nb"
    assert str(CourseError(np.float64(1))) == "1.0"


OURS = "[DEFAULT]\nseed = 0\n\n[tiny]\nencoder = tiny-bert\nrows = 8\nlr = 5e-4\n"
SPOILT = {  # what replaces a piece of it: (piece, other, line, words of the message)
    "a key twice": ("rows = 8", "rows = 8\nrows = 9", 7, "twice"),
    "a section twice": ("rows = 8", "rows = 8\n[tiny]", 7, "twice"),
    "a misspelled key": ("rows = 8", "rwos = 8", 6, "'rows'"),
    "a key of another program": ("seed = 0", "seed = 0\nlib_name = x", 3, "lib_name"),
    "a misspelled section": ("lr = 5e-4", "lr = 5e-4\n[lptop]\nrows = 9", 8, "[laptop]"),
    "a section in capitals": ("[tiny]", "[Tiny]", 4, "[tiny]"),
    "a word for a number": ("rows = 8", "rows = many", 6, "whole number"),
    "a fraction for a whole number": ("seed = 0", "seed = 0.5", 2, "whole number"),
    "a negative number": ("rows = 8", "rows = -8", 6, "whole number"),
    "a rate that is none": ("lr = 5e-4", "lr = nan", 7, "learning rate"),
    "nothing": ("encoder = tiny-bert", "encoder =", 5, "empty"),
    "a wrong value in another section": ("lr = 5e-4", "lr = 5e-4\n[gpu]\nrows = x", 9, "whole number"),
    "a line that goes on": ("rows = 8", "rows = 8\n  lr = 3", 6, "several lines"),
    "a line that is none": ("rows = 8", "rows", 6, "neither"),
    "a folder that is none": ("seed = 0", "data = ~nobody-here/x", 2, "no path"),
    "a byte that is not UTF-8": ("tiny-bert", "tiny\udce9", 5, "0xe9"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_nothing_in_settings_ini_is_ignored(how, tmp_path, monkeypatch):
    piece, other, number, words = SPOILT[how]
    text = OURS.replace(piece, other, 1)
    (tmp_path / "settings.ini").write_text(text, encoding="utf-8", errors="surrogateescape")
    monkeypatch.chdir(tmp_path)
    said = refused(lambda: settings("tiny"))
    assert f"settings.ini:{number}: " in said and words in said, said


def test_settings_that_are_right_are_used(tmp_path, monkeypatch):
    mine = "\n[mine]\n" + "".join(f"{k} = tiny-bert\n" for k in "encoder decoder sentiment topics qa glue".split())
    (tmp_path / "settings.ini").write_text(OURS + mine + "rows: 5\nlr = 1e-3 \n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert settings("tiny").rows == 8 and settings("mine").rows == 5 and settings("mine").lr == 1e-3
