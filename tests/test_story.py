"""The story of each lesson: short, without an answer in sight, and what stands behind the lesson is folded everywhere.

A lesson is converted when it has the heading `## Behind the lesson`. Those that are not are listed here, and the list
only shrinks.
"""

import ast
import copy
import importlib
import inspect
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ftcourse.course.practice.exercises import Exercise
from ftcourse.course.story import ANCHOR, BEHIND, STAMPED, fold, halves, length, source
from tools import stamp, story
from tools.site import build, html, pages

ROOT = Path(__file__).resolve().parent.parent
LESSONS = story.lessons()
EVERY = pages.pages()
named = pytest.mark.parametrize("path", LESSONS, ids=[p.stem for p in LESSONS])
EXPLAINED = "begins with `#| export`. That is a comment to Python, and says that the cell is also part of the package"


def notebook(path):
    return json.loads(path.read_text(encoding="utf-8"))


def cells(path):
    "(story, behind the lesson) of a lesson."
    return halves(notebook(path)["cells"])


def exercises(path):
    module = importlib.import_module(f"ftcourse.course.exercises.lesson_{path.stem[:2]}")
    return [x for x in vars(module).values() if isinstance(x, Exercise)]


@named
def test_a_lesson_is_a_story_and_what_stands_behind_it(path):
    assert cells(path)[1], "the rest stands behind the lesson, from the beginning"


@named
def test_a_story_has_at_most_60_cells_and_says_how_long_it_takes(path):
    n = length(notebook(path)["cells"])
    assert n.cells <= 60
    assert n.promised, "the first cell says how long the lesson takes: “About 30 minutes”"
    assert n.minutes <= n.promised, f"promised are {n.promised} minutes, words and exercises take {n.minutes}"


@named
def test_cells_of_a_story_are_short(path):
    lines = {c["id"]: len(source(c).splitlines()) for c in cells(path)[0] if c["cell_type"] == "code"}
    assert {i: n for i, n in lines.items() if n > 30} == {}
    tests = {c["id"] for c in cells(path)[0] if re.match(r"#\| *test\b", source(c))}
    assert {i: lines[i] for i in tests if lines[i] > 4} == {}, "a test in the story proves a point in three lines"


@named
def test_a_story_begins_with_what_has_to_be_known_before(path):
    shown = [c for c in cells(path)[0][1:] if c["id"] not in STAMPED]
    assert source(shown[0]).startswith("**Before this lesson:** ")
    assert "\n" not in source(shown[0]), "one line"
    if path.stem[:2] != "01":
        assert re.search(r"\]\(\d\d_\w+\.ipynb\)", source(shown[0])), "a link to the lessons that come first"


@named
def test_the_first_exported_cell_of_a_story_comes_with_its_explanation(path):
    shown, _ = cells(path)
    marked = [i for i, c in enumerate(shown) if source(c).startswith("#|") and c["id"] not in STAMPED]
    if marked:
        assert marked[0] > 0
        assert EXPLAINED in source(shown[marked[0] - 1])


@named
def test_what_is_behind_is_under_one_heading_in_groups_named_after_the_story(path):
    shown, (heading, *rest) = cells(path)
    wanted = rf"{BEHIND}{re.escape(ANCHOR)}\n\S[^\n]+"
    assert re.fullmatch(wanted, source(heading)), "the heading with its anchor, and one line on what stands there"
    titles = [t for c in rest if c["cell_type"] == "markdown" for t in re.findall(r"^#{1,6} .+", source(c), re.M)]
    assert [t for t in titles if not t.startswith("### ")] == [], "a heading of that size would end the folded part"
    assert titles
    prose = "\n".join(source(c) for c in shown if c["cell_type"] == "markdown")
    sections = {*re.findall(r"^##? (.+)", prose, re.M), "The start"}
    assert {t.removeprefix("### ") for t in titles} - sections == set()


@named
def test_what_is_behind_is_folded(path):
    nb = notebook(path)
    wanted = copy.deepcopy(nb["cells"])
    assert nb["metadata"] | fold(wanted) == nb["metadata"], "save the lesson: `… -m ftcourse.course.notebooks … --save`"
    assert {c["id"]: c["metadata"] for c in nb["cells"]} == {c["id"]: c["metadata"] for c in wanted}


@named
def test_what_is_behind_is_folded_on_the_site(path):
    page = next(p for p in EVERY if p.source == path.relative_to(ROOT).as_posix())
    nb = build.notebook_page(page, EVERY, stamp.address())
    raw = [source(c) for c in nb["cells"] if c["cell_type"] == "raw"]
    assert [text.startswith(start) for text, start in zip(raw, ("---", "<details>", "</details>"))] == [True] * 3
    assert source(nb["cells"][-1]) == "</details>"
    body = html.notebook(nb)
    before, after = body.split(raw[1])
    assert 'id="behind-the-lesson"' in before
    assert "Exercise(" not in re.sub(r"<[^>]+>", "", before)
    assert "Exercise(" in re.sub(r"<[^>]+>", "", after)
    assert body.count("<details") == body.count("</details>")
    assert body.count("<div") == body.count("</div>")
    inside = after[: after.rindex("</details>")]
    assert inside.count("<div") == inside.count("</div>"), "the folded part does not open and close what it should"


@named
def test_a_story_holds_no_definition_of_an_exercise_and_no_proof(path):
    text = "\n".join(source(c) for c in cells(path)[0])
    assert re.findall(r"\bExercise\(|\.proves\(|<details>|#\| test_setup|^\w+\.solution\(", text, re.M) == []
    for x in exercises(path):
        assert re.search(rf"^\w+\.check\({x.name}\)", text, re.M), f"{x.number} has no stub"


@pytest.mark.parametrize("path", LESSONS, ids=[p.stem for p in LESSONS])
def test_a_story_uses_no_name_that_only_the_cells_behind_it_bind(path):
    "Such a name may stand where the story never goes, as in an error of a function; a reader goes there."
    code = "\n\n".join(source(c) for c in cells(path)[0] if c["cell_type"] == "code")
    call = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "F821,F823", "-"]
    done = subprocess.run(call, input=code, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


# ------------------------------------------------------------------ answers
class Renamed(ast.NodeTransformer):
    "Names that a function binds become a, b, c …, in the order in which they appear."

    def __init__(self, function):
        bound = [a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)]
        bound += [n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        self.new = {name: f"v{i}" for i, name in enumerate(dict.fromkeys(bound))}

    def visit_Name(self, node):
        return ast.Name(self.new.get(node.id, node.id), node.ctx)

    def visit_arg(self, node):
        return ast.arg(self.new.get(node.arg, node.arg))


def bodies(text):
    "What the functions in a text do, however their arguments are called; nothing for a text that is no Python."
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return set()
    found = set()
    for f in ast.walk(tree):
        if isinstance(f, ast.Lambda):
            found.add(ast.unparse(Renamed(f).visit(copy.deepcopy(f.body))))
        elif isinstance(f, ast.FunctionDef):
            body = [n for n in f.body if not isinstance(n, ast.Expr) or not isinstance(n.value, ast.Constant)]
            found.add("\n".join(ast.unparse(Renamed(f).visit(copy.deepcopy(n))) for n in body).removeprefix("return "))
    return found


def code_in(cell):
    "Python in a cell: its source, or what stands between fences and backticks."
    if cell["cell_type"] == "code":
        return [source(cell)]
    return re.findall(r"(?s)```(?:python)?\n(.*?)```", source(cell))


def answers_shown(shown, answers):
    "(id of a cell, name of an answer) wherever a story says an answer, as it stands or under other names."
    told = []
    for f in answers:
        text = textwrap.dedent(inspect.getsource(f))
        body = "\n".join(ast.unparse(n) for n in ast.parse(text).body[0].body).removeprefix("return ")
        bare = re.sub(r"\s", "", body)
        for cell in shown:
            same = len(bare) >= 12 and bare in re.sub(r"#.*|\s", "", source(cell))
            if same or any(bodies(text) & bodies(code) for code in code_in(cell)):
                told.append((cell["id"], f.__name__))
    return told


@named
def test_no_cell_of_a_story_shows_an_answer(path):
    "JupyterLab, Colab, GitHub and the site show all of these cells open, folded ones on GitHub too."
    answers = [f for x in exercises(path) for f in (x.answer, *x.also)]
    assert answers_shown(cells(path)[0], answers) == []


def test_an_answer_is_found_under_other_names_and_in_prose():
    from ftcourse.course.exercises.lesson_06 import untrained_loss

    def cell(text, kind="code"):
        return {"id": text[:9], "cell_type": kind, "source": text}

    def two_steps(k):
        p = 1 / k
        return -p

    shown = [
        cell("f = lambda n: math.log(n)"),
        cell("def g(n):  # words\n    'More.'\n    return math.log(n)"),
        cell("as here:\n```python\ndef h(x):\n    q = 1 / x\n    return -q\n```", "markdown"),
        cell("print(math.log(6))"),
        cell("def untrained_loss(k): ..."),
    ]
    assert answers_shown(shown, [untrained_loss, two_steps]) == [
        ("f = lambd", "untrained_loss"),
        ("def g(n):", "untrained_loss"),
        ("as here:\n", "two_steps"),
    ]


# ------------------------------------------------------------------ the figures
def test_words_are_those_of_prose_and_minutes_add_exercises():
    made = [
        {"id": "a", "cell_type": "markdown", "source": "# Title\n> Promise.\n\nAbout 7 minutes. ![a](b.svg) [x](y.md)"},
        {"id": STAMPED[0], "cell_type": "markdown", "source": "[![badge](../images/colab.svg)](z)"},
        {"id": "b", "cell_type": "code", "source": "def f(): ...\n\n\nex1.check(f)"},
        {"id": "c", "cell_type": "markdown", "source": "```\nnot counted\n```\n$$a + b$$ one two"},
        {"id": "d", "cell_type": "markdown", "source": f"{BEHIND}\nHidden words."},
        {"id": "e", "cell_type": "code", "source": "pass"},
    ]
    n = length(made)
    assert (n.cells, n.words, n.exercises, n.promised, n.drawings, n.links) == (3, 9, 1, 7, 1, 1)
    assert n.minutes == 5
    assert str(n) == "story: 3 cells, 5 minutes of 7 promised"


def test_the_table_sets_a_lesson_beside_an_earlier_one(capsys):
    path = LESSONS[0]
    story.main([str(path)])
    assert path.stem in capsys.readouterr().out
    then, now = [{"cell_type": "markdown", "source": "# A", "id": "a"}], cells(path)[0]
    assert story.then_and_now(path, then, now)[1] == f"1 → {length(now).cells}"
