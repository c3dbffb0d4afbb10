"Cheap hygiene of what is in the repository: notebooks, modules, settings."

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "nbs").glob("*/*.ipynb"))
LESSONS = [p for p in NOTEBOOKS if p.parent.name == "lessons"]
MACHINE = re.compile(r"(?<![\w.:/])/(?:work|root|tmp|home|Users|farm|var/folders)/[\w.]")
LEFTOVER = re.compile(r"\bTODO\b|\bFIXME\b|\bXXX\b")
PLACES = (
    "*.md",
    "*.toml",
    "*.ini",
    "*.yml",
    "*.txt",
    "Makefile",
    ".ci/*",
    "ftcourse/**/*.py",
    "tools/**/*.py",
    "ftcourse/assets/**/*",
    "tests/**/*.py",
    "measure/*",
    "nbs/**/*.ipynb",
)
WRITTEN = [
    p
    for place in PLACES
    for p in sorted(ROOT.glob(place))
    if p.is_file() and p.suffix not in {".safetensors", ".pyc"} and p != Path(__file__)
]


def cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell):
    return "".join(cell["source"])


def code(path):
    return [c for c in cells(path) if c["cell_type"] == "code"]


def outputs(path):
    return [o for c in code(path) for o in c["outputs"]]


def text_of(path):
    return (
        path.read_text(encoding="utf-8")
        if path.suffix != ".ipynb"
        else "\n".join(map(source, cells(path)))
        + json.dumps([o for o in outputs(path) if "image/png" not in o.get("data", {})])
    )


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=[p.stem for p in paths])


@named(NOTEBOOKS)
def test_no_saved_error_and_no_long_cell(path):
    assert [o["ename"] for o in outputs(path) if o["output_type"] == "error"] == []
    story = [c for c in code(path) if not re.match(r"#\| *(export|test|test_setup|hide)\b", source(c))]
    long = {c["id"]: n for c in story if (n := len(source(c).splitlines())) > 30}
    assert long == {}, "cells of the story that are too long to read"


@named(NOTEBOOKS)
def test_no_saved_noise(path):
    stderr = [
        "".join(o["text"])[:200]
        for o in outputs(path)
        if o["output_type"] == "stream" and o["name"] == "stderr" and "Warning" not in "".join(o["text"])
    ]
    bars = [
        text[:200]
        for o in outputs(path)
        if re.search(r"%\|.*\[\d\d:\d\d", text := "".join(o.get("data", {}).get("text/plain", "")))
    ]  # a bar that is a widget
    assert stderr + bars == [], "progress bars or library chatter in the saved outputs"


@named(LESSONS)
def test_a_skipped_test_does_not_stop_run_all(path):
    "pytest.skip raises: in a notebook without the data, everything after it would not run."
    bare = [
        c["id"]
        for c in code(path)
        if "pytest.skip(" in source(c) and not re.search(r'PYTEST_CURRENT_TEST|"pytest" in sys\.modules', source(c))
    ]
    assert bare == [], "ask first whether pytest runs, else print the reason and go on"


@named(LESSONS)
def test_a_lesson_has_tests_pictures_exercises_and_saved_outputs(path):
    text = "\n".join(source(c) for c in code(path))
    assert re.search(r"^#\| test\b", text, re.M), "no test cell"
    assert any("image/png" in o.get("data", {}) for o in outputs(path)), "no picture among the saved outputs"
    if not path.stem.startswith("01_"):
        assert len(re.findall(r"\bExercise\(", text)) >= 2, "fewer than two exercises"
    first = next(o for o in outputs(path))
    assert "".join(first.get("text", "")).startswith(f"lesson {path.stem[:2]} · profile tiny"), (
        "the first output does not say what the lesson runs on"
    )
    assert text.count("start_lesson(") >= 1
    assert f"start_lesson({int(path.stem[:2])})" in text


@named(LESSONS)
def test_answers_are_folded_away(path):
    open_ = [
        c["id"]
        for c in code(path)
        if "Exercise(" in source(c)
        and source(c).startswith("#| test_setup")
        and not c["metadata"].get("jupyter", {}).get("source_hidden")
    ]
    assert open_ == [], (
        "cells with the answers of an exercise stand in sight: save the lesson with `python -m "
        "ftcourse.course.notebooks … --save`, which folds them"
    )


@named(LESSONS)
def test_a_lesson_begins_with_a_title_and_a_promise(path):
    first = cells(path)[0]
    assert first["cell_type"] == "markdown", "a lesson begins with its title and one quoted line"
    assert re.match(r"# \S.*\n+> \S", source(first)), "a lesson begins with its title and one quoted line"


@pytest.mark.parametrize("place", PLACES)
def test_every_place_that_is_looked_into_has_files(place):
    "A folder that moved would be looked into for ever, and found clean."
    assert list(ROOT.glob(place))


def test_nothing_names_this_machine_or_is_left_over():
    found = {
        p.relative_to(ROOT).as_posix(): hit.group(0)
        for p in WRITTEN
        for pattern in (MACHINE, LEFTOVER)
        if (hit := pattern.search(text_of(p)))
    }
    assert found == {}


def test_both_quarto_files_are_one():
    assert (ROOT / "nbs" / "_quarto.yml").read_text(encoding="utf-8") == (ROOT / "_quarto.yml").read_text(
        encoding="utf-8"
    )


def test_settings_say_where_the_other_settings_are():
    lines = (ROOT / "settings.ini").read_text(encoding="utf-8").splitlines()[:2]
    assert all(line.startswith("#") for line in lines)
    assert "pyproject.toml" in " ".join(lines)


def test_lesson_numbers_are_used_once():
    numbers = [p.stem[:2] for p in LESSONS]
    assert len(set(numbers)) == len(numbers)
    assert all(re.fullmatch(r"\d\d_[a-z_0-9]+", p.stem) for p in LESSONS)


def test_no_two_test_files_share_a_name():
    "pytest imports them by their bare names, and a run of all of them would stop at the second."
    names = [p.name for p in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_every_finding_can_be_run_and_has_its_line():
    told = (ROOT / "findings" / "README.md").read_text(encoding="utf-8")
    for script in (ROOT / "findings").glob("*.sh"):
        assert script.stat().st_mode & 0o100, f"chmod +x findings/{script.name}"
        assert f"`{script.name}`" in told
