"`import ftcourse` is cheap: nothing heavy is loaded until a verb is used."

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import ftcourse

HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "accelerate",
    "tokenizers",
    "pandas",
    "pyarrow",
    "scipy",
    "sklearn",
    "matplotlib",
    "ipywidgets",
    "nbdev",
)
PROMISED = {
    "train_model",
    "fine_tune_model",
    "evaluate_model",
    "load_task",
    "load_model",
    "HyperParams",
    "use_profile",
    "CourseError",
}
PACKAGE = Path(ftcourse.__file__).parent
FOLDERS = sorted(
    ".".join(p.parent.relative_to(PACKAGE.parent).parts)
    for p in PACKAGE.rglob("__init__.py")
    if "__all__" in p.read_text(encoding="utf-8")
)


def fresh(statement):
    "(seconds, heavy modules loaded) of a statement in a new interpreter."
    code = (
        f"import json, sys, time; t = time.perf_counter(); {statement}; t = time.perf_counter() - t; "
        f"print(json.dumps([t, sorted(m for m in {HEAVY} if m in sys.modules)]))"
    )
    return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def test_importing_loads_nothing_heavy():
    seconds, heavy = min(fresh("import ftcourse") for _ in range(3))
    assert heavy == []
    assert seconds < 1, "aim 0.1 s (make bench measures it); a busy machine is given ten times that"


def test_import_star_and_naming_a_verb_load_nothing_heavy():
    assert fresh("from ftcourse import *; fine_tune_model, HyperParams(lr=1e-3)")[1] == []


def test_the_promised_names_are_listed_literally_and_are_there():
    tree = ast.parse(Path(ftcourse.__file__).read_text(encoding="utf-8"))
    value = next(n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "__all__")
    assert set(ast.literal_eval(value)) >= PROMISED
    assert ast.literal_eval(value) == ftcourse.__all__
    assert set(dir(ftcourse)) >= PROMISED | {"__version__"}
    for name in ftcourse.__all__:
        thing = getattr(ftcourse, name)
        assert callable(thing), f"{name} has no docstring"
        assert thing.__doc__, f"{name} has no docstring"


def test_an_unknown_name_is_an_attribute_error_that_says_what_there_is():
    with pytest.raises(AttributeError, match="fine_tune_model"):
        ftcourse.__getattr__("fine_tune")


def test_light_modules_stay_light():
    for module in (
        "core.settings",
        "core.hparams",
        "data.load.readers",
        "data.world.generator",
        "metrics",
        "metrics.scores",
        "data",
        "data.load",
        "data.encode.texts",
        "course.practice.exercises",
        "recipes",
        "experiments.seeds",
        "tasks",
        "losses",
        "course.cli.main",
        "course.cli.model_card",
        "course.widgets.base",
        "course.widgets.panel",
        "course.explorers.loss",
    ):
        heavy = set(fresh(f"import ftcourse.{module}")[1])
        assert heavy == set(), (
            f"ftcourse.{module} loads {heavy} when it is imported: import inside the functions that need it"
        )


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_promised_name_is_there(folder):
    module = importlib.import_module(folder)
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    for name in module.__all__:
        thing = getattr(module, name)
        assert getattr(thing, "__name__", name) == name
        assert name in dir(module)


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_promised_name_is_that_of_a_module(folder):
    "`from ftcourse.metrics import report` would be the one or the other, after what was imported before it."
    module = importlib.import_module(folder)
    modules = {found.name for found in pkgutil.iter_modules(module.__path__)}
    assert set(module.__all__) & modules == set()


def test_every_folder_promises_something_and_says_what_it_is():
    assert {"ftcourse.core", "ftcourse.data", "ftcourse.losses", "ftcourse.metrics", "ftcourse.train"} <= set(FOLDERS)
    for path in PACKAGE.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path} has no docstring"


def test_an_error_of_the_course_is_the_same_class_by_both_names():
    from ftcourse.core.errors import CourseError

    assert ftcourse.CourseError is CourseError


def test_a_named_task_is_known_in_a_fresh_process():
    "Nothing but the package itself has been imported when the name is looked up."
    code = "import ftcourse; print(ftcourse.load_model('tiny-bert', task='spam').labels)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "['review', 'advert']"
