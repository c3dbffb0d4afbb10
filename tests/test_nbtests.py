"""The extractor and the runner of notebooks: what becomes a test, what is refused, what counts as drift.

Each test makes a small project of its own.
"""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from ftcourse.course import notebooks as runner
from tools import export

ROOT = Path(__file__).resolve().parent.parent
MODULE = "#| default_exp tiny"
DOUBLE = "#| export\ndef double(x): return 2 * x"
TEST = "#| test it doubles\nassert double(2) == 4"


def notebook(root, *cells, name="01_tiny.ipynb"):
    "Write a lesson of these code cells; a cell that begins with 'md:' is prose."
    path = root / "nbs" / "lessons" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (root / "ftcourse").mkdir(exist_ok=True)
    (root / "ftcourse" / "__init__.py").touch()
    (root / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"), encoding="utf-8")
    made = []
    for i, source in enumerate(cells):
        new = new_markdown_cell if source.startswith("md:") else new_code_cell
        made.append(new(source.removeprefix("md:"), id=f"cell{i}"))
    path.write_text(nbformat.writes(new_notebook(cells=made)), encoding="utf-8")
    return path


def extracted(root, *cells):
    "Text of the test file of a lesson of these cells."
    notebook(root, *cells)
    export.export_all(root)
    return (root / "tests" / "lessons" / "test_01_tiny.py").read_text(encoding="utf-8")


def refused(root, *cells):
    "What the extractor says to a lesson that it refuses."
    with pytest.raises(export.TestCellError, match="01_tiny.ipynb, cell ") as e:
        extracted(root, *cells)
    return str(e.value)


def test_a_test_cell_becomes_a_function_that_imports_what_it_uses(tmp_path):
    text = extracted(
        tmp_path, MODULE, "import math", DOUBLE, "#| test it doubles, always!\nassert double(math.pi) == 2 * math.pi"
    )
    assert "from ftcourse.tiny import double" in text
    assert "import math" in text
    assert "def test_it_doubles_always():\n    assert double(math.pi)" in text
    assert "# %% nbs/lessons/01_tiny.ipynb #cell3" in text, "a failure could not name its cell"
    compile(text, "test", "exec")


def test_names_exported_to_another_module_are_imported_from_there(tmp_path):
    assert "from ftcourse.other import double" in extracted(
        tmp_path, MODULE, DOUBLE.replace("export", "export other"), TEST
    )


def test_prose_about_export_does_not_make_a_module(tmp_path):
    extracted(
        tmp_path,
        MODULE,
        DOUBLE,
        TEST,
        "md:Cells with #| export prose make the package.\n\n#| export prose",
        "words = '#| export words'",
    )
    assert {p.stem for p in (tmp_path / "ftcourse").glob("*.py")} == {"__init__", "tiny"}


def test_setup_cells_stand_before_the_tests(tmp_path):
    text = extracted(
        tmp_path,
        MODULE,
        DOUBLE,
        "#| test_setup\nwanted = {1: 2}",
        "#| test table\nassert all(double(k) == v for k, v in wanted.items())",
    )
    assert text.index("\nwanted = {1: 2}") < text.index("def test_table")


def test_multi_line_strings_keep_their_inside(tmp_path):
    source = (
        '#| test strings\nassert """a\n  b\n\nc""" == "a\\n  b\\n\\nc"\n'
        'assert f"""{len("ab")}\nd {double(1)}\n""" == "2\\nd 2\\n"\nif True:\n    assert "\\u2028" not in "x"'
    )
    text = extracted(tmp_path, MODULE, DOUBLE, source).replace("from ftcourse.tiny import double\n", "")
    names = {"double": lambda x: 2 * x}
    exec(compile(text, "test", "exec"), names)
    names["test_strings"]()


@pytest.mark.parametrize(
    "body",
    [
        "z = 2\nassert double(z) == 4",
        "for z in (1, 2): assert double(z)",
        "def z(): return 2\nassert double(z()) == 4",
        "with open('x') as z: assert z",
        "try: double(1)\nexcept ValueError as z: print(z)",
        "class z: pass",
    ],
)
def test_a_bare_test_that_binds_a_name_is_refused(tmp_path, body):
    "The name would be seen by the notebook's other cells."
    said = refused(tmp_path, MODULE, DOUBLE, "z = 1", f"#| test z\n{body}", "z + 1")
    assert "01_tiny.ipynb, cell cell3" in said
    assert "'z'" in said
    assert "def test_z():" in said


@pytest.mark.parametrize(
    "body",
    [
        "import math\nassert double(math.inf) > 2",
        "assert [double(z) for z in (1, 2)] == [2, 4]",
        "assert all(map(lambda z: z, [1]))",
    ],
)
def test_imports_and_names_inside_an_expression_bind_nothing(tmp_path, body):
    assert "def test_z():" in extracted(tmp_path, MODULE, DOUBLE, f"#| test z\n{body}")


def test_a_test_that_is_a_function_has_names_of_its_own(tmp_path):
    text = extracted(
        tmp_path,
        MODULE,
        DOUBLE,
        "z = 1",
        "#| test\ndef test_z():\n    z = 2\n    assert double(z) == 4\n\n\ntest_z()",
        "z + 1",
    )
    assert text.endswith("def test_z():\n    z = 2\n    assert double(z) == 4\n")
    assert "from ftcourse.tiny import double" in text


@pytest.mark.parametrize(
    "source",
    [
        "#| test\ndef test_z(): assert double(1)",
        "#| test it\ndef test_z(): assert double(1)\ntest_z()",
        "#| test\nz = 1\ndef test_z(): assert double(1)\ntest_z()",
    ],
)
def test_a_function_without_its_call_or_with_anything_beside_it_is_refused(tmp_path, source):
    assert "and the call `test_z()` after it" in refused(tmp_path, MODULE, DOUBLE, source)


def test_a_test_without_words_or_function_is_refused(tmp_path):
    assert "say after `#| test`" in refused(tmp_path, MODULE, DOUBLE, "#| test\nassert double(1)")


@pytest.mark.parametrize(
    "source",
    ["assert double(state) == 2", "assert double(state) == 2\nstate = 1", "def f(): return state\nassert f() == 1"],
)
def test_notebook_state_is_refused(tmp_path, source):
    said = refused(tmp_path, MODULE, DOUBLE, "state = 1", f"#| test state\n{source}")
    assert re.search("[`']state[`']", said)
    assert "cell3" in said


def test_names_of_its_own_in_any_order_are_not_notebook_state(tmp_path):
    body = (
        "def f(): return g()\n    def g(): return [i for i in range(3)]\n    try: assert f() == [0, 1, 2]\n    "
        "except ValueError as e: print(e)"
    )
    extracted(tmp_path, MODULE, DOUBLE, f"#| test\ndef test_own():\n    {body}\n\n\ntest_own()")


@pytest.mark.parametrize(
    ("source", "word"),
    [("%timeit 1", "magics"), ("!ls", "magics"), ("# nothing", "without code"), ("x = (", "plain Python")],
)
def test_what_cannot_be_a_test_is_refused(tmp_path, source, word):
    said = refused(tmp_path, MODULE, DOUBLE, f"#| test odd\n{source}")
    assert word in said
    assert "cell2" in said


def test_two_tests_of_one_name_are_refused(tmp_path):
    assert "second test" in refused(tmp_path, MODULE, DOUBLE, TEST, TEST)


def test_drift_is_found(tmp_path):
    extracted(tmp_path, MODULE, DOUBLE, TEST)
    assert export.drift(tmp_path) == []
    module, tests = tmp_path / "ftcourse" / "tiny.py", tmp_path / "tests" / "lessons" / "test_01_tiny.py"
    good = module.read_text(encoding="utf-8")
    module.write_text(good.replace("2 * x", "x + x"), encoding="utf-8")
    assert [d for d in export.drift(tmp_path) if d.startswith("ftcourse/tiny.py differs")]
    module.write_text(good, encoding="utf-8")
    head, _, _ = tests.read_text(encoding="utf-8").partition("\n\n# %%")
    tests.write_text(head, encoding="utf-8")
    assert any("holds 0 tests, its notebook 1" in d for d in export.drift(tmp_path))
    tests.unlink()
    assert any("is missing" in d for d in export.drift(tmp_path))


def test_a_test_cell_that_nbdev_does_not_see_is_found(tmp_path):
    extracted(tmp_path, MODULE, DOUBLE, TEST, "x = 1\n#| test too low in its cell\nassert x")
    assert any("holds 1 tests, its notebook 2" in d for d in export.drift(tmp_path))


def test_what_no_notebook_exports_any_more_is_removed(tmp_path):
    extracted(tmp_path, MODULE, DOUBLE, "#| export other\none = 1", TEST)
    gone = notebook(tmp_path, MODULE.replace("tiny", "gone"), DOUBLE, TEST, name="02_gone.ipynb")
    by_hand = [tmp_path / "ftcourse" / "hand.py", tmp_path / "tests" / "test_hand.py"]
    for p in by_hand:
        p.write_text("x = 1\n", encoding="utf-8")
    export.export_all(tmp_path)
    left = [
        tmp_path / "ftcourse" / "gone.py",
        tmp_path / "tests" / "lessons" / "test_02_gone.py",
        tmp_path / "ftcourse" / "other.py",
    ]
    assert [p for p in left if not p.exists()] == []
    gone.unlink()
    notebook(tmp_path, MODULE, DOUBLE, TEST)  # the first lesson no longer exports to `other`
    assert any("no notebook any more" in d for d in export.drift(tmp_path))
    export.export_all(tmp_path)
    assert [p for p in left if p.exists()] == []
    assert [p for p in by_hand if not p.exists()] == []
    assert export.drift(tmp_path) == []


def test_a_notebook_whose_tests_are_all_gone_keeps_no_test_file(tmp_path):
    extracted(tmp_path, MODULE, DOUBLE, TEST)
    notebook(tmp_path, MODULE, DOUBLE)
    export.export_all(tmp_path)
    assert not (tmp_path / "tests" / "lessons" / "test_01_tiny.py").exists()


# ---- the runner of notebooks
def test_the_runner_names_the_cell_that_raises_and_the_notebook_that_runs_nothing(tmp_path, capfd):
    good = notebook(tmp_path, "md:# Prose", "x = 1", "x + 1", name="01_good.ipynb")
    bad = notebook(tmp_path, "x = 1", "x / 0", "open('after', 'w')", name="02_bad.ipynb")
    empty = notebook(tmp_path, "md:# Prose", "", name="03_empty.ipynb")
    before = good.read_text(encoding="utf-8")
    assert runner.main([str(good)]) == 0
    assert re.search(r"01_good.ipynb\s+2\s+\d", capfd.readouterr().out)
    assert good.read_text(encoding="utf-8") == before, "a run without --save changed the notebook"
    assert runner.main([str(bad), str(empty)]) == 1
    said = capfd.readouterr().out
    assert "cell1" in said
    assert "ZeroDivisionError" in said
    assert not (bad.parent / "after").exists()
    assert "03_empty.ipynb executed no cell" in said


def test_side_by_side_every_notebook_is_run_and_a_failure_counts(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")  # put back afterwards: the runner sets it to 1
    names = [
        notebook(tmp_path, "import os; assert os.environ['OMP_NUM_THREADS'] == '1'", source, name=f"0{i}_some.ipynb")
        for i, source in enumerate(("1", "2", "1 / 0"))
    ]
    assert runner.main([*map(str, names[:2]), "--jobs", "2"]) == 0
    said = capfd.readouterr().out
    assert [p.name for p in names[:2] if p.name not in said] == []
    assert "2 notebooks at a time" in said
    assert runner.main([*map(str, names), "--jobs", "2"]) == 1
    assert "ZeroDivisionError" in capfd.readouterr().out


def test_saving_keeps_what_was_edited_while_the_notebook_ran(tmp_path):
    path = notebook(tmp_path, "print('first')", "print('second')")
    ran = nbformat.read(path, as_version=4)
    for cell in ran.cells:
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="new")]
    edited = nbformat.read(path, as_version=4)
    edited.cells[1].source = "print('edited')"
    edited.cells.append(nbformat.v4.new_markdown_cell("added"))
    nbformat.write(edited, path)
    saved = runner.newest(ran, path)
    assert [c.source for c in saved.cells] == ["print('first')", "print('edited')", "added"]
    assert saved.cells[0].outputs[0].text == "new"
    assert saved.cells[1].outputs == []


def test_a_kernel_that_dies_or_hangs_is_an_error_of_its_cell(tmp_path):
    assert "cell0" in runner.run(notebook(tmp_path, "import os; os._exit(1)"))["error"]
    assert "cell0" in runner.run(notebook(tmp_path, "import time; time.sleep(60)"), timeout=2)["error"]


def test_saving_keeps_outputs_and_drops_what_changes_from_run_to_run(tmp_path):
    path = notebook(
        tmp_path,
        "print(6 * 7)",
        "import sys; print('  5%| bar', file=sys.stderr)",
        "import sys\nfor out in (sys.stdout, sys.stdout, sys.stderr): print('one', file=out, flush=True)",
        "from IPython.display import display\ndisplay({'application/vnd.jupyter.widget-view+json': {}, 'text/plain': "
        "'Map:   0%|          | 0/32'}, raw=True)",
    )
    assert runner.main([str(path), "--save"]) == 0
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert "".join(cells[0]["outputs"][0]["text"]) == "42\n"
    assert cells[1]["outputs"] == []
    assert [(o["name"], "".join(o["text"])) for o in cells[2]["outputs"]] == [
        ("stdout", "one\none\n"),
        ("stderr", "one\n"),
    ], "a stream in one piece"
    assert cells[3]["outputs"] == [], "a bar that is a widget"
    assert [c["execution_count"] for c in cells] == [None] * len(cells)
    assert [c["metadata"] for c in cells] == [{}] * len(cells)


def test_no_notebook_at_all_fails(tmp_path, monkeypatch):
    (tmp_path / "nbs").mkdir()
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    assert runner.main([]) == 1
