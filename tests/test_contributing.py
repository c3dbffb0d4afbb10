"CONTRIBUTING.md names what there is: folders on their floors, commands, modules, files, dependencies; its picture."

import ast
import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest

from tools import dataflow, figures

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
QUOTED = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", TEXT)
EXAMPLES = {"NN.toml", "product/answers.jsonl"}  # of a reader's own


def section(title):
    return re.search(rf"(?ms)^## {title}\n(.*?)(?=^## |\Z)", TEXT)[1]


def rows(title):
    "Rows of a section's table, as lists of cells."
    found = re.findall(r"(?m)^\| (.*) \|$", section(title))
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in found[1:]]


def distribution(requirement):
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("-", "_")


def test_every_runtime_dependency_is_listed_with_its_reason():
    listed = [
        (re.fullmatch(r"`([\w.-]+)`", name)[1].lower().replace("-", "_"), why) for name, why in rows("Dependencies")
    ]
    assert sorted(name for name, _ in listed) == sorted(map(distribution, PROJECT["project"]["dependencies"]))
    assert [name for name, why in listed if len(why.split()) < 2] == []


def test_every_runtime_dependency_is_used_by_the_package():
    used = {"scikit_learn": "sklearn"}  # where a distribution has another name than what it installs
    imported = set()
    for path in (ROOT / "ftcourse").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {a.name.split(".")[0] for a in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    named = set(map(distribution, PROJECT["project"]["dependencies"]))
    assert {name for name in named if used.get(name, name) not in imported} == set()


def test_every_place_of_the_package_stands_on_its_floor():
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    floor_of = {
        place.strip(): str(len(layers) - i) for i, layer in enumerate(layers) for place in re.split(r"[|:]", layer)
    }
    said = {
        re.fullmatch(r"`ftcourse/(\w+)(?:/|\.py)`", place)[1]: floor
        for floor, place, *_ in rows("Where is what")
        if floor.isdigit()
    }
    assert said == floor_of
    assert set(said) == set(figures.places(ROOT))


def test_every_folder_of_the_package_is_named():
    folders = {p.parent.name for p in (ROOT / "ftcourse").glob("*/*/__init__.py")}
    assert {name for name in folders if f"`{name}/`" not in section("Where is what")} == set()


def test_every_file_that_is_named_is_there():
    paths = {q.rstrip("/") for q in QUOTED if re.fullmatch(r"[\w.-]*/[\w./*-]+", q)}
    missing = {p for p in paths if not list(ROOT.glob(p)) and not list((ROOT / "ftcourse" / "course").glob(p))}
    assert len(paths) > 20
    assert {p for p in missing if not any(p.endswith(e) for e in EXAMPLES)} == set()


def test_every_make_command_is_a_target():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = set(re.findall(r"(?:`|^ +|\d )(?:\w+=\S+ )*make ([a-z]+)", TEXT, re.M))
    assert {"lab", "test", "export", "check", "figures", "claims", "class"} - {"class"} <= named
    assert named - targets == set()


def test_every_module_that_is_named_can_be_imported():
    named = {n for n in re.findall(r"\bftcourse(?:\.[a-z_]+)+\b|\btools(?:\.[a-z_]+)+\b", TEXT) if n[-3:] != ".py"}
    assert len(named) > 3
    for name in named:
        importlib.import_module(name)


def test_the_words_of_the_old_house_are_gone():
    assert re.findall(r"(?i)\brooms?\b|300 lines|_nbtests|_stamp\.py|_site\.py", TEXT) == []


# ------------------------------------------------------------------ the picture
def test_the_picture_is_what_the_code_draws():
    assert dataflow.FILE.read_text(encoding="utf-8") == dataflow.drawing(), "run `python -m tools.dataflow`"


@pytest.mark.parametrize("arrow", dataflow.ARROWS, ids=lambda a: a.name)
def test_every_function_in_the_picture_is_promised_and_exported_by_its_lesson(arrow):
    module = importlib.import_module(arrow.module)
    assert arrow.name in module.__all__
    made = inspect.unwrap(getattr(module, arrow.name))
    source = Path(inspect.getsourcefile(made)).read_text(encoding="utf-8")
    before = source[: re.search(rf"(?m)^(?:def|class) {arrow.name}\b", source).start()]
    assert re.findall(r"(?m)^# %% \S*/(\d\d)_\w+\.ipynb", before)[-1] == f"{arrow.lesson:02}"


def test_one_arrow_stands_between_two_stages():
    assert len(dataflow.ARROWS) == len(dataflow.STAGES) - 1


def test_the_picture_has_a_text_for_those_who_do_not_see_it():
    assert f"![{dataflow.ALT}](nbs/images/dataflow.svg)" in TEXT
    home = (ROOT / "nbs" / "index.ipynb").read_text(encoding="utf-8")
    assert f"![{dataflow.ALT}](images/dataflow.svg)" in home


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground, text", [("ground", "text"), ("ground", "quiet"), ("ground", "call"), ("box", "text")])
def test_its_text_is_legible(scheme, ground, text):
    "Contrast of at least 4.5 to 1: WCAG 2.2, criterion 1.4.3."
    low, high = sorted(luminance(dataflow.COLOURS[name][scheme]) for name in (ground, text))
    assert (high + 0.05) / (low + 0.05) >= 4.5
