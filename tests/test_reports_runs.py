"""Run folders, checkpoints, prepared files and weights under stress (faults 1, 3, 4 and 6 of issue 13).

Nothing of the user's is touched, nothing damaged is used without a word.
"""

import contextlib
import errno
import functools
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import ftcourse.train.checkpoints as checkpoints
from ftcourse import fine_tune_model, load_model, load_task
from ftcourse.core.errors import CourseError
from ftcourse.core.hparams import HyperParams
from ftcourse.train.checkpoints import Run
from ftcourse.train.loop import fit, train_steps

ROOT = Path(__file__).resolve().parents[1]
X = torch.randn(40, 5, generator=torch.Generator().manual_seed(3))
BATCHES = [(x, (x.sum(1) > 0).long()) for x in X.split(8)]
HP = HyperParams(epochs=2, lr=0.05, warmup=0, eval_every=2, keep=9)  # 10 updates, 5 validations


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 2))


def loss(m, batch):
    return cross_entropy(m(batch[0]), batch[1], reduction="sum"), len(batch[1])


def validate(m):
    with torch.no_grad():
        return {"loss": cross_entropy(m(X), (X.sum(1) > 0).long()).item()}


def best_early(m):
    "A validation that is best after the first four updates."
    best_early.calls = getattr(best_early, "calls", 0) + 1
    return {"loss": abs(best_early.calls - 2.0)}


def go(folder, network=None, *, scores=validate, hp=HP, by=loss):
    network = network or net()
    with contextlib.redirect_stdout(io.StringIO()):
        history = fit(network, BATCHES, hp, loss=by, validate=scores, run=folder)
    return bits(network), history


def half(folder, updates=5, scores=validate):
    with contextlib.redirect_stdout(io.StringIO()):
        for step in train_steps(net(), BATCHES, HP, loss=loss, validate=scores, run=folder):
            if step.n == updates:
                break
    return folder


def bits(network):
    return hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in network.parameters())).hexdigest()


def tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def flip(file, at=-5, bit=64):
    data = bytearray(file.read_bytes())
    data[at] ^= bit
    file.write_bytes(bytes(data))


@functools.cache
def undisturbed():
    "Bits of the same run without a run folder."
    return go(None)[0]


# Nothing of the user's is deleted or overwritten


@pytest.mark.parametrize(
    "mine",
    [
        {"history.jsonl": "mine\n"},
        {"checkpoints/.kept/notes.txt": "mine"},
        {"checkpoints/step-3/state.json": "{}"},
        {"config.json": '{"lr": 1}'},
        {"config.json": '{"call": "me", "notes": {}}', "history.jsonl": ""},
        {"config.json": "[" * 5000},
        {"best.json": "mine"},
        {"thesis.txt": "mine"},
        {".lock": "", "checkpoints/mine.txt": "mine"},
    ],
)
def test_a_folder_of_one_s_own_is_refused_and_not_touched(tmp_path, mine):
    for name, text in mine.items():
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text(text)
    before = tree(tmp_path / "mine")
    with pytest.raises(CourseError, match="give run= a folder"):
        go(tmp_path / "mine")
    assert tree(tmp_path / "mine") == before


def test_run_of_fine_tune_model_on_a_folder_of_one_s_own(tmp_path):
    (tmp_path / "checkpoints" / ".kept").mkdir(parents=True)
    (tmp_path / "checkpoints" / ".kept" / "notes.txt").write_text("mine")
    (tmp_path / "history.jsonl").write_text("mine\n")
    before = tree(tmp_path)
    with pytest.raises(CourseError, match="Nothing was touched"):
        fine_tune_model("tiny-bert", load_task("reviews").take(16), run=str(tmp_path), max_steps=1)
    assert tree(tmp_path) == before


def test_hidden_things_of_one_s_own_in_a_run_s_checkpoints_stay(tmp_path):
    half(tmp_path / "r")
    for name in (".kept/notes.txt", ".step-notes/a.txt", ".step-4.7.new/a.txt"):
        (tmp_path / "r/checkpoints" / name).parent.mkdir()
        (tmp_path / "r/checkpoints" / name).write_text("mine")
    assert go(tmp_path / "r")[0] == undisturbed()
    left = sorted(p.name for p in (tmp_path / "r/checkpoints").glob(".*"))
    assert left == [".kept", ".step-notes"]  # .step-4.7.new is what a kill leaves of a checkpoint


@pytest.mark.parametrize("name", ["", " ", "a" * 300, "a\0b", "\ud800", "~nobody-here/x", 5, True, ["a"]])
def test_names_that_are_no_folder_are_refused(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CourseError, match="give run=|write a name"):
        go(name)
    assert not any(tmp_path.iterdir())


def test_the_working_directory_is_not_a_run_folder_unless_it_is_empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CourseError, match=r"thesis\.txt"):
        go(".")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_of_before_the_format_goes_on_and_an_interrupted_beginning_too(tmp_path):
    half(tmp_path / "old")
    config = json.loads((tmp_path / "old/config.json").read_text())
    config.pop("format")
    for name in ("loss", "validation", "groups"):
        config["call"].pop(name)
    (tmp_path / "old/config.json").write_text(json.dumps(config))
    for file in (tmp_path / "old/checkpoints").glob("*/state.json"):
        state = json.loads(file.read_text())
        state.pop("sha256")
        file.write_text(json.dumps(state))
    assert go(tmp_path / "old")[0] == undisturbed()
    (tmp_path / "begun/checkpoints").mkdir(parents=True)
    for name in (".lock", ".config.json.77.new", "panel.json"):
        (tmp_path / "begun" / name).write_text("")
    assert go(tmp_path / "begun")[0] == undisturbed()


def test_a_model_is_saved_over_a_model_only(tmp_path):
    model = load_model("tiny-bert", head="lm")
    half(tmp_path / "r")
    (tmp_path / "app").mkdir()
    (tmp_path / "app/config.json").write_text('{"port": 80}')
    for name in ("r", "app"):
        before = tree(tmp_path / name)
        with pytest.raises(CourseError, match="Nothing was written"):
            model.save(tmp_path / name)
        assert tree(tmp_path / name) == before
    with pytest.raises(CourseError, match="empty name"):
        model.save("")
    model.save(tmp_path / "m")
    (tmp_path / "m/adapter_model.safetensors").write_text("mine")
    model.save(tmp_path / "m")
    assert (tmp_path / "m/adapter_model.safetensors").read_text() == "mine"


def test_a_panel_keeps_out_of_folders_of_one_s_own(tmp_path):
    from ftcourse.course.widgets.panel import TrainingPanel

    (tmp_path / "001").mkdir()
    (tmp_path / "001/config.json").write_text('{"port": 80}')
    before = tree(tmp_path)
    panel = TrainingPanel(load_task("reviews").take(16), "tiny-bert", run=tmp_path)
    with pytest.raises(CourseError, match="not written by a run"):
        panel.run(wait=True)
    assert tree(tmp_path) == before
    (tmp_path / "001/panel.json").write_text("mine")
    with pytest.raises(CourseError, match=r"panel\.json was not written by a panel"):
        TrainingPanel("reviews", "tiny-bert", run=tmp_path)


# A checkpoint that is not whole is not used


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors"])
@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "gone", "of another step"])
def test_a_checkpoint_that_is_not_whole_is_not_used_and_the_one_before_is(tmp_path, file, harm):
    half(tmp_path / "r")
    path = tmp_path / "r/checkpoints/step-5" / file
    if harm == "flip":
        flip(path)
    elif harm == "gone":
        path.unlink()
    elif harm == "of another step":
        shutil.copy(path.parent.with_name("step-4") / file, path)
    else:
        path.write_bytes(path.read_bytes()[:-9] if harm == "cut" else b"")
    with pytest.warns(UserWarning, match=rf"{file}.*goes on from step-4.*damaged-step-5"):
        again, history = go(tmp_path / "r")
    assert again == undisturbed()
    assert [s.n for s in history.steps] == list(range(1, 11))
    assert (tmp_path / "r/checkpoints/damaged-step-5").is_dir()


def test_two_damaged_checkpoints_and_changed_numbers_in_state_json(tmp_path):
    half(tmp_path / "r")
    flip(tmp_path / "r/checkpoints/step-5/model.safetensors", at=300)
    state = tmp_path / "r/checkpoints/step-4/state.json"
    state.write_text(state.read_text().replace('"position": 4', '"position": 3'))
    with pytest.warns(UserWarning, match=r"state\.json.*goes on from step-2"):
        assert go(tmp_path / "r")[0] == undisturbed()


def test_no_whole_checkpoint_is_left(tmp_path):
    half(tmp_path / "r", updates=1)
    flip(tmp_path / "r/checkpoints/step-1/model.safetensors")
    before = tree(tmp_path / "r")
    with pytest.raises(CourseError, match="none before it"):
        go(tmp_path / "r")
    assert tree(tmp_path / "r") == before
    shutil.rmtree(tmp_path / "r")  # the cure
    assert go(tmp_path / "r")[0] == undisturbed()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("step-5", '{"step'),
        ("step-5", ""),
        ("step-5", "[]"),
        ("step-5", "[" * 5000),
        ("step-5", '{"step": 4, "rank": null, "finished": false}'),
        ("step-9", None),
        ("step-old", None),
        ("step-5 (copy)", '{"step": 5}'),
    ],
)
def test_a_step_folder_that_is_none_is_named_and_its_cure_works(tmp_path, name, text):
    half(tmp_path / "r")
    folder = tmp_path / "r/checkpoints" / name
    folder.mkdir(exist_ok=True)
    if text is not None:
        (folder / "state.json").write_text(text)
    with pytest.raises(CourseError) as e:
        go(tmp_path / "r")
    assert str(folder / "state.json") in str(e.value)
    folder.rename(tmp_path / "elsewhere")
    assert go(tmp_path / "r")[0] == undisturbed()


@pytest.mark.parametrize("line", ['{"n": 3', "[]", "", '{"n": 3, "me": 1}', '{"n": 7, "epoch": 1}'])
def test_a_changed_history_is_named(tmp_path, line):
    half(tmp_path / "r")
    file = tmp_path / "r/history.jsonl"
    lines = file.read_text().split("\n")
    lines[2] = line
    file.write_text("\n".join(lines))
    with pytest.raises(CourseError, match=r"history\.jsonl"):
        go(tmp_path / "r")


@pytest.mark.parametrize("finished", [True, False])
def test_a_deleted_or_damaged_best_checkpoint_is_said(tmp_path, finished):
    best_early.calls = 0
    if finished:
        _, history = go(tmp_path / "r", scores=best_early)
        assert history.best["step"] == 4
    else:
        half(tmp_path / "r", updates=7, scores=best_early)
    best_early.calls = 0
    best = tmp_path / "r/checkpoints/step-4"
    flip(best / "model.safetensors")
    with pytest.raises(CourseError, match="best validation"):
        go(tmp_path / "r", scores=best_early)
    shutil.rmtree(best)
    with pytest.raises(CourseError, match=r"step-4 is gone.*delete"):
        go(tmp_path / "r", scores=best_early)
    shutil.rmtree(tmp_path / "r")  # the cure
    best_early.calls = 0
    assert go(tmp_path / "r", scores=best_early)[1].best["step"] == 4


# Disks that are full or read-only


def without_rights(job):
    "Run `job` in a process of its own that may not write where others may not; returns what it printed."
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            job()
            text = "fine"
        except BaseException as e:
            text = f"{type(e).__name__}: {e}"
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with os.fdopen(read) as f:
        return f.read()


@pytest.fixture
def open_folder():
    "A folder that every user can look into."
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)
        for p in [Path(name), *Path(name).rglob("*")]:
            os.chmod(p, 0o755)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_finished_run_is_read_from_a_read_only_folder_and_a_half_one_is_refused(open_folder):
    finished, _ = go(open_folder / "done")
    half(open_folder / "half")
    for p in open_folder.rglob("*"):
        os.chmod(p, 0o555 if p.is_dir() else 0o444)
    os.chmod(open_folder, 0o555)

    def read():
        assert go(open_folder / "done")[0] == finished

    assert without_rights(read) == "fine"
    for folder in ("half", "new"):
        said = without_rights(lambda name=folder: go(open_folder / name))
        assert said.startswith("CourseError") and str(open_folder / folder) in said and "another folder" in said


@pytest.mark.parametrize("what", ["save_file", "fsync", "record"])
def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(tmp_path, monkeypatch, what):
    full = OSError(errno.ENOSPC, "No space left on device")
    real = {"save_file": checkpoints.save_file, "fsync": os.fsync, "record": json.dumps}[what]
    calls = []

    def fails(*a, **k):
        calls.append(a)
        if len(calls) > 4 and (what != "record" or "grad_norm" in a[0]):
            raise full
        return real(*a, **k)

    with monkeypatch.context() as m:
        target = {"save_file": (checkpoints, "save_file"), "fsync": (os, "fsync"), "record": (json, "dumps")}[what]
        m.setattr(*target, fails)
        with pytest.raises(CourseError, match="No space left.*same call goes on"):
            go(tmp_path / "r")
    assert go(tmp_path / "r")[0] == undisturbed()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_file_that_may_not_grow_is_said(tmp_path):
    import resource

    def small():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
        go(tmp_path / "r")

    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            small()
        except BaseException as e:
            os.write(write, f"{type(e).__name__}: {e}".encode())
        os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with os.fdopen(read) as f:
        assert f.read().startswith("CourseError")
    assert go(tmp_path / "r")[0] == undisturbed()


# What belongs to a call


def test_other_validation_rows_another_loss_and_other_groups_are_refused(tmp_path):
    half(tmp_path / "r")
    before = tree(tmp_path / "r")

    def other_rows(m):
        return {"loss": cross_entropy(m(X[:9]), (X[:9].sum(1) > 0).long()).item()}

    def double(m, batch):
        return 2 * loss(m, batch)[0], len(batch[1])

    for change, word in [
        (dict(scores=other_rows), "validation validate"),
        (dict(scores=None), "validation validate .* → none"),
        (dict(by=double), "loss loss .* → .*double"),
    ]:
        with pytest.raises(CourseError, match=word):
            go(tmp_path / "r", **change)
    network = net()
    groups = [dict(params=[*network.parameters()], scale=0.5, weight_decay=0.0)]
    with pytest.raises(CourseError, match="groups usual → 1 groups"):
        train_steps(network, BATCHES, HP, loss=loss, validate=validate, run=tmp_path / "r", groups=groups)
    assert tree(tmp_path / "r") == before
    assert go(tmp_path / "r")[0] == undisturbed()


def test_the_validation_rows_of_a_task_belong_to_a_run_of_fine_tune_model(tmp_path):
    task = load_task("reviews").take(24)
    how = dict(epochs=2, eval_every=2, lr=5e-4, seed=3, batch_size=8, run=str(tmp_path / "r"))

    class Stop(Exception):
        pass

    def stop(step):
        if step.n == 4:
            raise Stop

    def other(**columns):
        return replace(task, splits=type(task.splits)(**dict(task.splits) | columns))

    with contextlib.redirect_stdout(io.StringIO()):
        with contextlib.suppress(Stop):
            fine_tune_model("tiny-bert", task, progress=stop, **how)
        for rows in (range(100, 200), range(23)):
            with pytest.raises(CourseError, match="validation "):
                fine_tune_model("tiny-bert", other(validation=task.validation.select(rows)), **how)
        with pytest.raises(CourseError, match="loss the model's own → "):
            fine_tune_model("tiny-bert", replace(task, loss=lambda m, b: m.loss(b)), **how)
        model = fine_tune_model("tiny-bert", task, **how)
    assert len(model.history.steps) == 6


# One process at a time

TRAIN = """
import sys, time
sys.path.insert(0, sys.argv[2])
from test_reports_runs import *
for step in train_steps(net(), BATCHES, HP, loss=loss, validate=validate, run=sys.argv[1]):
    if step.n == 3:
        print("training", flush=True)
        time.sleep(60)
"""


def another(folder):
    "A process that trains in `folder` and waits after its third update."
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", TRAIN, str(folder), str(ROOT / "tests")],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "training\n"
    return process


def test_a_second_process_is_refused_at_once_and_a_killed_one_blocks_nobody(tmp_path):
    process = another(tmp_path / "r")
    try:
        before = tree(tmp_path / "r")
        with pytest.raises(CourseError, match="another process"):
            go(tmp_path / "r")
        assert tree(tmp_path / "r") == before
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert go(tmp_path / "r")[0] == undisturbed()


def test_a_second_iterator_of_the_same_process_is_refused_until_the_first_is_closed(tmp_path):
    first = train_steps(net(), BATCHES, HP, loss=loss, validate=validate, run=tmp_path / "r")
    next(first)
    with pytest.raises(CourseError, match="has not ended"):
        go(tmp_path / "r")
    first.close()
    assert go(tmp_path / "r")[0] == undisturbed()
    unused = train_steps(net(), BATCHES, HP, loss=loss, validate=validate, run=tmp_path / "r")  # finished: no matter
    assert go(tmp_path / "r")[0] == undisturbed()
    unused.close()


def test_an_error_before_the_first_update_holds_no_lock(tmp_path):
    with pytest.raises(CourseError, match="frozen"):
        train_steps(net().requires_grad_(False), BATCHES, HP, loss=loss, run=tmp_path / "r")
    assert not (tmp_path / "r").exists()
    run = Run(tmp_path / "r")
    fit(net(), BATCHES, HP, loss=loss, validate=validate, run=run)
    with pytest.raises(CourseError, match="lr"):
        fit(net(), BATCHES, HP.replace(lr=1.0), loss=loss, validate=validate, run=run)
    assert go(tmp_path / "r")[0] == undisturbed()


# Safetensors only, behind an index too


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    "A model whose weights lie in one shard behind an index."
    folder = load_model("tiny-bert", head="classify", labels=["a", "b"]).save(tmp_path_factory.mktemp("m") / "m")
    (folder / "model.safetensors").rename(folder / "part.safetensors")
    return folder


def index(folder, name, file="model.safetensors.index.json"):
    from safetensors import safe_open

    with safe_open(folder / "part.safetensors", "pt") as f:
        keys = list(f.keys())
    (folder / file).write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(keys, name)}))


def test_an_index_of_safetensors_is_read(sharded):
    index(sharded, "part.safetensors")
    assert load_model(sharded).labels == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("pytorch_model.bin", "no safetensors file"),
        ("weights.pt", "no safetensors file"),
        ("part.safetensors.bin", "no safetensors file"),
        ("../part.safetensors", "outside"),
        ("/elsewhere/part.safetensors", "outside"),
        ("a/../../part.safetensors", "outside"),
        ("C:\\part.safetensors", "outside"),
        ("..\\part.safetensors", "outside"),
    ],
)
def test_an_index_that_names_anything_else_is_refused_before_it_is_opened(sharded, tmp_path, monkeypatch, name, word):
    folder = shutil.copytree(sharded, tmp_path / "m")
    index(folder, name)
    torch.save(load_model("tiny-bert", head="classify", labels=["a", "b"]).network.state_dict(), tmp_path / "w.bin")
    if "/" not in name and "\\" not in name:
        shutil.copy(tmp_path / "w.bin", folder / name)
    monkeypatch.setattr(torch, "load", lambda *a, **k: pytest.fail("a pickle was opened"))
    with pytest.raises(CourseError, match=word):
        load_model(folder)


def test_an_index_that_is_none_and_a_configuration_that_names_weights(sharded, tmp_path):
    folder = shutil.copytree(sharded, tmp_path / "m")
    for text in ("{", "[]", '{"weight_map": 3}'):
        (folder / "model.safetensors.index.json").write_text(text)
        with pytest.raises(CourseError, match="names no files of weights"):
            load_model(folder)
    config = json.loads((folder / "config.json").read_text())
    for name in ("adapter_model.bin", "../m/part.safetensors"):
        (folder / "config.json").write_text(json.dumps(config | {"transformers_weights": name}))
        with pytest.raises(CourseError, match="config.json"):
            load_model(folder)
    index(folder, "adapter_model.bin", "own.safetensors.index.json")
    (folder / "config.json").write_text(json.dumps(config | {"transformers_weights": "own.safetensors.index.json"}))
    with pytest.raises(CourseError, match="no safetensors file"):
        load_model(folder)


# Prepared files in the cache


@pytest.mark.parametrize("harm", ["changed", "empty", "cut", "longer"])
def test_a_damaged_prepared_file_is_written_again(tmp_path, monkeypatch, harm):
    monkeypatch.setenv("FTCOURSE_CACHE", str(tmp_path / "cache"))
    rows = "".join(f"{x} number {i},{y}\n" for i in range(40) for x, y in (("good", "a"), ("bad", "b")))
    (tmp_path / "c.csv").write_text("text,label\n" + rows)
    task = load_task(str(tmp_path / "c.csv"))
    file, texts = Path(task.train.cache_files[0]["filename"]), task.train["text"][:]
    data = file.read_bytes()
    del task
    at = data.find(b"good")
    file.write_bytes(
        {
            "changed": data[:at] + b"XXXX" + data[at + 4 :],
            "empty": b"",
            "cut": data[: len(data) // 2],
            "longer": data + b"\0" * 8,
        }[harm]
    )
    assert load_task(str(tmp_path / "c.csv")).train["text"][:] == texts
    assert file.read_bytes() == data


def test_an_undisturbed_run_warns_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        half(tmp_path / "r")
        assert go(tmp_path / "r")[0] == undisturbed()


# How many processes


def as_one_of_two():
    "What a process says that believes to be the first of two."
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_reports_runs import *\n"
        "try: go(None)\nexcept CourseError as e: print(e)"
    )
    env = os.environ | dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1", WORLD_SIZE="2", RANK="0", LOCAL_RANK="0")
    env.pop("ACCELERATE_USE_CPU", None)
    command = [sys.executable, "-W", "ignore", "-c", code, str(ROOT / "tests")]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a graphics card the two would look for each other")
def test_processes_that_do_not_find_each_other_are_refused():
    assert "2 processes were started" in as_one_of_two()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_whose_updates_took_batches_of_several_processes_does_not_go_on_with_others(tmp_path, processes):
    """Before format 3 of config.json an update took a batch of each process. Now it takes the same rows, whatever
    their number, and which number it was is noted only."""
    half(tmp_path / "r")
    file = tmp_path / "r/config.json"
    config = json.loads(file.read_text())
    assert config["notes"]["processes"] == 1
    config["format"], config["call"]["processes"], config["call"]["words"] = 2, processes, "all"
    file.write_text(json.dumps(config))
    if processes == 1:
        assert go(tmp_path / "r")[0] == undisturbed()
        return
    with pytest.raises(CourseError, match="batches of an update 2 → 1"):
        go(tmp_path / "r")


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-here/model"])
def test_a_name_that_can_be_no_path_is_said(name):
    with pytest.raises(CourseError, match="names no model"):
        load_model(name)
