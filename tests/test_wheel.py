"The wheel alone, away from the repository and without a network, runs the three verbs."

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = '''
import socket, sys
sys.path[:0] = [{target!r}, {packages!r}]      # -I -S: neither the repository nor its editable install is visible
def refuse(*a, **k): raise OSError("the wheel's test has no network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse

import ftcourse
assert ftcourse.__file__.startswith({target!r}), ftcourse.__file__
assert "torch" not in sys.modules
from ftcourse import evaluate_model, fine_tune_model, load_model, train_model
from ftcourse.core.settings import settings
from ftcourse.core.machine import set_threads
assert settings().file is None and settings().encoder == "tiny-bert"
set_threads(1)

model = fine_tune_model("tiny-bert", "reviews", rows=32, seed=0, epochs=2, lr=5e-4)
report = evaluate_model(model, "reviews")
print(report)
low, high = report.interval("accuracy")
assert report.rows > 100
assert 0 <= low <= report["accuracy"] <= high <= 1
model.save("saved")
assert load_model("saved").predict(["The soup was delicious."]) == model.predict(["The soup was delicious."])

read = train_model("world", rows=64, max_steps=3)
fine_tune_model(read, "reviews", rows=16, max_steps=2)
assert train_model("world", objective="clm", rows=64, max_steps=2).generate("The", max_new=5)

from ftcourse.course.cli.main import main
assert main(["evaluate", "saved", "reviews", "--json"]) == 0
print("the wheel runs")
'''


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    "A wheel built from a copy of the tree, so that no build folder of an earlier day slips in."
    tree = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    shutil.copytree(ROOT / "ftcourse", tree / "ftcourse", ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tree / "dist", tree, cwd=tree)
    return next((tree / "dist").glob("*.whl"))


def test_modules_and_assets_are_inside(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        p.relative_to(ROOT).as_posix()
        for p in (ROOT / "ftcourse").rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert wanted <= names, f"not in the wheel: {sorted(wanted - names)}"
    for model in ("tiny-bert", "mini-bert", "tiny-gpt"):
        for file in ("model.safetensors", "config.json", "tokenizer.json"):
            assert f"ftcourse/assets/{model}/{file}" in names
    assert any(n.endswith("licenses/LICENSE") for n in names)
    assert not [n for n in names if n.startswith(("tests", "nbs", "measure"))]
    assert wheel.stat().st_size < 12e6
    entry = next(n for n in names if n.endswith("entry_points.txt"))
    assert "ftcourse = ftcourse.course.cli.main:main" in zipfile.ZipFile(wheel).read(entry).decode()


def test_the_three_verbs_run_from_the_wheel_alone(wheel, tmp_path):
    target, away = tmp_path / "packages", tmp_path / "away"
    away.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "--no-deps", "--no-index", "--target", target, wheel)
    script = SCRIPT.format(target=str(target), packages=sysconfig.get_path("purelib"))
    (away / "script.py").write_text(script, encoding="utf-8")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "FTCOURSE", "HF_"))}
    env |= {
        "HF_HUB_OFFLINE": "1",
        "FTCOURSE_CACHE": str(tmp_path / "cache"),
        "HF_HOME": str(tmp_path / "hf"),
        "OMP_NUM_THREADS": "1",
    }
    assert "the wheel runs" in run(sys.executable, "-I", "-S", "script.py", cwd=away, env=env)
