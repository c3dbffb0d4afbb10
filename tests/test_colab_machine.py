"""On Colab: the first cell of every lesson, the versions of its image, a Drive that outlives the machine.

The quick part needs no network beyond ipywidgets 7.7.1. `make colab` (FTCOURSE_COLAB=1) builds a stand-in for the whole
image, installs the course there through the lessons' own first cell, from a git repository made of this tree, and runs
lessons on it.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import colab
import nbformat
import pytest

from tools import stamp

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "nbs" / "lessons").glob("[0-9]*.ipynb"))
HERE = stamp.address()
named = pytest.mark.parametrize("path", LESSONS, ids=[p.stem for p in LESSONS])
slow = pytest.mark.skipif(
    not os.environ.get("FTCOURSE_COLAB"), reason="builds Colab's versions, some minutes: `make colab`"
)


def first(path):
    return next(c for c in nbformat.read(path, as_version=4).cells if c.id == stamp.FIRST)


@named
def test_a_lesson_begins_with_its_badge_and_the_first_cell(path):
    title, badge, code = nbformat.read(path, as_version=4).cells[:3]
    assert badge.id == stamp.BADGE
    assert code.id == stamp.FIRST
    assert f"{HERE.name}/blob/{HERE.branch}/nbs/lessons/{path.name})" in badge.source
    assert code.outputs == []
    assert code.metadata == {"jupyter": {"source_hidden": True}}


def test_elsewhere_the_first_cell_does_nothing(monkeypatch):
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)

    def started(*a, **k):
        raise AssertionError("something was started")

    for name in ("run", "Popen"):
        monkeypatch.setattr(subprocess, name, started)
    before = set(sys.modules)
    exec(first(LESSONS[0]).source, {})
    assert {m for m in set(sys.modules) - before if m.startswith("ftcourse")} == set()


def test_on_colab_the_first_cell_installs_the_course_and_nothing_else(monkeypatch, capsys, tmp_path):
    started, mounted = [], []
    stand_in, drive = ModuleType("google.colab"), ModuleType("google.colab.drive")
    stand_in.drive = drive
    drive.mount = mounted.append
    for module in (ModuleType("google"), stand_in, drive):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(subprocess, "run", lambda command, **how: started.append((command, how)))
    monkeypatch.setenv("FTCOURSE_DRIVE", str(tmp_path))
    monkeypatch.setenv("FTCOURSE_CACHE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    source = first(LESSONS[0]).source
    exec(source, {})
    ((command, how),) = started  # one pip: everything the course needs is here, so nothing follows
    assert command[1:] == ["-m", "pip", "install", "--quiet", "--no-deps", f"git+{HERE.url}@{HERE.branch}"]
    assert how == {"check": True}
    assert "added nothing else" in capsys.readouterr().out
    assert mounted == []
    assert Path.cwd() == tmp_path
    exec(source.replace("drive = False", "drive = True"), {})
    assert mounted == [str(tmp_path)]
    assert Path.cwd() == tmp_path / "MyDrive" / "ftcourse"


def test_the_address_stands_in_one_place(tmp_path):
    for name in ("nbs", "measure", ".github", "ftcourse"):
        if (ROOT / name).exists():
            shutil.copytree(
                ROOT / name,
                tmp_path / name,
                symlinks=True,
                ignore=shutil.ignore_patterns("__pycache__", ".ruff_cache", "*.safetensors"),
            )
    for name in ("pyproject.toml", "_quarto.yml", "README.md", "CONTRIBUTING.md", "Makefile", "settings.ini"):
        shutil.copy(ROOT / name, tmp_path)
    assert stamp.drift(tmp_path) == []
    config = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    config = config.replace(HERE.url, "https://github.com/someone/else-where")
    config = config.replace(f'branch = "{HERE.branch}"', 'branch = "trunk"')
    (tmp_path / "pyproject.toml").write_text(config, encoding="utf-8")
    moved = {p.relative_to(tmp_path).as_posix() for p in stamp.drift(tmp_path)}
    assert moved >= {"_quarto.yml", "README.md", "nbs/index.ipynb", *(p.relative_to(ROOT).as_posix() for p in LESSONS)}
    assert {p.relative_to(tmp_path).as_posix() for p in stamp.stamp(tmp_path)} == moved
    assert stamp.stamp(tmp_path) == []
    text = {
        p: p.read_text(encoding="utf-8")
        for p in tmp_path.rglob("*")
        if p.is_file() and p.suffix in {".ipynb", ".md", ".yml", ".toml", ".py", ".ini", ""}
    }
    assert [p for p, s in text.items() if HERE.name in s] == [], "an address that does not follow pyproject.toml"
    lessons = {p.name: s for p, s in text.items() if p.parent == tmp_path / "nbs" / "lessons"}
    assert sorted(lessons) == [p.name for p in LESSONS]
    assert [p for p, s in lessons.items() if "someone/else-where/blob/trunk/" not in s] == []
    assert [p for p, s in lessons.items() if "else-where@trunk" not in s] == []
    assert 'href: "https://github.com/someone/else-where"' in text[tmp_path / "_quarto.yml"]


def test_an_address_that_colab_cannot_open_is_refused(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[project.urls]\nRepository = "https://example.org/course"\n[tool.nbdev]\nbranch = "main"\n', encoding="utf-8"
    )
    with pytest.raises(ValueError, match="github.com/owner/name"):
        stamp.address(tmp_path)


def test_the_ranges_admit_what_colab_has():
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = {r.name: r.specifier for r in map(Requirement, project["dependencies"])}
    image = dict(
        torch="2.11.0", transformers="5.15.0", datasets="4.0.0", accelerate="1.14.0", numpy="2.1.0", ipywidgets="7.7.1"
    )
    assert {name: v for name, v in image.items() if v not in needs[name]} == {}


def test_every_widget_works_with_the_ipywidgets_of_colab():
    "The widgets' own tests again, with ipywidgets 7.7.1 first on the path."
    try:
        old = colab.widgets_771()
    except (colab.Unavailable, subprocess.TimeoutExpired) as e:
        pytest.skip(f"ipywidgets 7.7.1 is not to be had here: {e}")
    env = os.environ | {"PYTHONPATH": f"{old}{os.pathsep}{ROOT}"}
    version = [sys.executable, "-c", "import ipywidgets; print(ipywidgets.__version__)"]
    seen = subprocess.run(version, env=env, capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "7.7.1"
    call = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    names = ("widgets", "task_explorers", "cure_explorer", "attribution_explorer")
    call += [f"tests/toolkit/test_{name}.py" for name in names]
    if not os.environ.get("FTCOURSE_COLAB"):  # what trains longest runs in `make colab` only
        call += ["-k", "not equal_weights and not resume_ends and not one_run_at_a_time and not new_kernel"]
    done = subprocess.run(call, cwd=ROOT, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-4000:]


STANDS_ON = """import ftcourse, ipywidgets, numpy, transformers
versions = (m.__version__ for m in (ipywidgets, numpy, transformers))
print("stands on", ftcourse.__file__, *versions)"""


@slow
@pytest.mark.parametrize("stem", ["01_fine_tuning", "07_training_loop", "09_fine_tuning"])
def test_a_lesson_runs_on_colab(stem, tmp_path):
    session = colab.Session(tmp_path, HERE.url, HERE.branch)
    nb = nbformat.read(ROOT / "nbs" / "lessons" / f"{stem}.ipynb", as_version=4)
    nb.cells.append(nbformat.v4.new_code_cell(STANDS_ON))
    said = session.run(nb)
    assert "added nothing else · profile tiny" in said
    assert f"lesson {stem[:2]} · profile tiny" in said
    line = next(line for line in said.splitlines() if line.startswith("stands on"))
    assert str(colab.PLACE) in line, line
    assert line.endswith("7.7.1 2.1.3 5.15.1"), line
    assert not (tmp_path / "mounts").exists()


CALL = """from ftcourse import fine_tune_model
M = fine_tune_model("tiny-bert", "reviews", rows=32, epochs=4, eval_every=2, lr=5e-4, seed=3, run="runs/mine")
print("updates", len(M.history.steps))"""
DEADLY = """import os, signal
from ftcourse.train.checkpoints import Run
record = Run.record
def recorded(self, step):
    record(self, step)
    if step.n == 5: os.kill(os.getpid(), signal.SIGKILL)
Run.record = recorded"""


@slow
def test_a_run_on_drive_goes_on_after_a_disconnect(tmp_path):
    "The machine is taken away in the middle of an update; a fresh one with the same Drive ends the run."
    from nbclient.exceptions import DeadKernelError

    start = first(LESSONS[0]).source.replace("drive = False", "drive = True")

    def notebook(*sources):
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])

    with pytest.raises(DeadKernelError, match="Kernel died"):
        colab.Session(tmp_path, HERE.url, HERE.branch).run(notebook(start, DEADLY, CALL))
    shutil.rmtree(tmp_path / "content")
    shutil.rmtree(tmp_path / "home")
    kept = tmp_path / "drive" / "MyDrive" / "ftcourse" / "runs" / "mine"
    assert len((kept / "history.jsonl").read_text(encoding="utf-8").splitlines()) == 5
    said = colab.Session(tmp_path, HERE.url, HERE.branch).run(notebook(start, CALL))
    assert "updates 8" in said
    assert len((tmp_path / "mounts").read_text().splitlines()) == 2
