"Exercises and quizzes, read from the lessons as a learner meets them."

import ast
import importlib
import importlib.util
import inspect
import json
import re
from pathlib import Path

import pytest

from ftcourse.course.practice.exercises import Exercise
from ftcourse.course.practice.progress import lesson_numbers
from ftcourse.course.practice.quizzes import questions, quiz
from ftcourse.course.story import halves

ROOT = Path(__file__).resolve().parent.parent
LESSONS = [p for p in sorted((ROOT / "nbs" / "lessons").glob("[01][0-9]_*.ipynb")) if p.stem[:2] <= "18"]


def cells(path):
    return [(c["cell_type"], "".join(c["source"])) for c in json.loads(path.read_text(encoding="utf-8"))["cells"]]


def code(path):
    return [source for kind, source in cells(path) if kind == "code"]


def halves_of(path):
    "(code of the story, whether something stands behind it)."
    story, behind = halves(json.loads(path.read_text(encoding="utf-8"))["cells"])
    return ["".join(c["source"]) for c in story if c["cell_type"] == "code"], bool(behind)


def named(test):
    return pytest.mark.parametrize("path", LESSONS, ids=[p.stem for p in LESSONS])(test)


def bound_by(path):
    "What the extracted tests of a lesson bind: its exercises among them."
    spec = importlib.util.spec_from_file_location(
        f"bound_by_{path.stem}", ROOT / "tests" / "lessons" / f"test_{path.stem}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


def names_of(path):
    "What a learner's cell can use: the imports of the lesson, its one-line functions, and what it exports."
    found = {}
    sources = [s for s in halves_of(path)[0] if "google.colab" not in s]
    for source in sources:
        if source.lstrip().startswith(("%", "!")):
            continue
        for node in ast.parse(source).body:
            in_one_line = (
                isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda) and not source.startswith("#|")
            )
            if isinstance(node, (ast.Import, ast.ImportFrom)) or in_one_line:
                exec(compile(ast.Module([node], []), path.name, "exec"), found)
    rooms = {r for s in code(path) for r in re.findall(r"^#\| (?:default_exp|export) (\S+)", s, re.M)}
    for room in {r for r in rooms if not r.startswith("course.exercises.")}:
        module = importlib.import_module(f"ftcourse.{room}")
        found |= {k: v for k, v in vars(module).items() if not k.startswith("__") and v is not None}
    return found


def function(source, name):
    "The definition of `name` in a cell, with the imports that stand beside it; None where it is not there."
    body = ast.parse(source).body
    if not any(isinstance(n, ast.FunctionDef) and n.name == name for n in body):
        return None
    kept = [n for n in body if isinstance(n, (ast.Import, ast.ImportFrom, ast.FunctionDef))]
    return compile(ast.Module(kept, []), name, "exec")


@named
def test_each_exercise_has_a_stub_a_check_and_a_folded_solution_that_is_right(path):
    bound, names, lesson = bound_by(path), names_of(path), path.stem[:2]
    exercises = {name: x for name, x in bound.items() if isinstance(x, Exercise)}
    assert [x.number for x in exercises.values()] == [f"{lesson}.{n}" for n in range(1, len(exercises) + 1)]
    assert len(exercises) >= 3
    text = "\n".join(code(path))
    prose = "\n".join(s for kind, s in cells(path) if kind == "markdown")
    folded = re.findall(r"<details>.*?```python\n(.*?)```", prose, re.S)
    if halves_of(path)[1]:  # what `ex.solution()` prints, to be pasted into the stub's cell
        folded = [inspect.getsource(x.answer) for x in exercises.values()]
    for name, x in exercises.items():
        assert f"{name}.proves()" in text, f"{x.number} is not proven"
        assert f"{name}.check({x.name})" in text, f"{x.number} is not checked"
        stubs = [s for s in code(path) if f"{name}.check({x.name})" in s]
        assert len(stubs) == 1
        assert "#|" not in stubs[0]
        exec(function(stubs[0], x.name), names)
        assert x.judge(names[x.name])[0] == "open", f"{x.number}: its stub is not taken for one"
        solutions = [s for s in folded if function(s, x.name)]
        assert len(solutions) == 1, f"{x.number}: {len(solutions)} folded solutions"
        exec(function(solutions[0], x.name), names)
        verdict, said = x.judge(names[x.name])
        assert verdict == "right", f"{x.number}: its folded solution fails: {said}"


@named
def test_each_lesson_has_one_quiz_before_its_summary_and_shows_no_reason_of_a_right_answer(path):
    number, all_cells = int(path.stem[:2]), cells(path)
    calls = [i for i, (kind, s) in enumerate(all_cells) if kind == "code" and re.search(r"^quiz\(", s, re.M)]
    assert len(calls) == 1
    assert all_cells[calls[0]][1] == f"from ftcourse.course.practice.quizzes import quiz\n\nquiz({number})"
    assert all_cells[calls[0] - 1][1].startswith("## Quiz\n")
    assert all_cells[calls[0] + 1][1].startswith("## Summary")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    saved = next(c["outputs"] for c in notebook["cells"] if "".join(c["source"]) == all_cells[calls[0]][1])
    assert ["".join(o["data"]["text/plain"]) for o in saved] == [str(quiz(number))], (
        "the saved questions are not those of the quiz: save the cell again"
    )
    text = " ".join(json.dumps(notebook, ensure_ascii=False).replace("\\n", " ").split())
    told = [o.why for q in questions(number) for o in q.options if o.right and o.why[:60] in text]
    assert told == []


def test_progress_knows_every_exercise_and_every_quiz():
    there = lesson_numbers(ROOT / "nbs" / "lessons")
    assert [n for n in there if n.endswith(".quiz") and n < "17"] == [f"{n:02}.quiz" for n in range(1, 17)]
    assert sum(not n.endswith(".quiz") for n in there) >= 45
