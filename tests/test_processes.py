"""Several processes make the updates that one makes: whole and sharded, begun and resumed, and when one is killed.

Each start of the processes takes seconds, so the tests share them: this file, run as a program, is what a process does.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gloo over processes is tested on Linux and macOS")

# Uneven lengths, 42 rows in batches of 16: the last of an epoch has 10, and with accumulate=2 an update of its own.
# The rate is a usual one: AdamW divides a gradient by its own size, and so what rounding leaves of a very small one
# moves a weight by up to the rate.
COMMON = dict(rows=42, dropout=0, max_steps=4, lr=2e-5)
CASES = {
    "classify": ("tiny-bert", "reviews", dict(accumulate=2)),
    "span": ("tiny-bert", "facts", dict()),
    "lora": ("tiny-bert", "reviews", dict(accumulate=2, train="lora-4", lr=3e-4)),
    "instructions": ("tiny-gpt", "instructions", dict(accumulate=2)),
    "lm": (None, "world", dict(rows=20, hidden=32, lr=1e-3)),
}
SHARDED = ("classify", "lora", "instructions")
# Parameters whose gradient is zero in exact arithmetic, since softmax does not see a number that is added to all of
# its inputs: AdamW divides what rounding leaves of it by its own size. The outputs do not depend on them.
TOLERANCE = 1e-6
UNSEEN = r"key\.bias|c_attn\.bias|qa_outputs\.bias|layer\.1\.output\.LayerNorm\.bias"


def tuned(case, shard=False):
    from ftcourse import fine_tune_model, train_model

    model, data, more = CASES[case]
    how = COMMON | more | dict(shard=shard)
    return train_model(data, objective="clm", **how) if model is None else fine_tune_model(model, data, **how)


def facts(network, history, file):
    "What a run came to, as plain values; the main process keeps the weights in a file."
    from safetensors.torch import save_file

    from ftcourse.core.processes import is_main

    weights = {n: p.detach().clone() for n, p in network.named_parameters()}
    if is_main():
        save_file(weights, file)
    return {
        "losses": [s.loss for s in history.steps],
        "grad norms": [s.grad_norm for s in history.steps],
        "counts": [s.count for s in history.steps],
        "validation": [s.validation["loss"] for s in history.steps if s.validation],
        "weights": digest(network),
    }


def digest(network):
    bytes_of = b"".join(p.detach().numpy().tobytes() for p in network.parameters())
    return hashlib.sha256(bytes_of).hexdigest()[:16]


def own():
    "A network of one's own, whose batches are tuples: 11 rows, of which the last update has 3."
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    from ftcourse.core.hparams import HyperParams
    from ftcourse.train.loop import fit

    torch.manual_seed(0)
    x = torch.randn(11, 6)
    batches = [(part, (part.sum(1) > 0).long()) for part in x.split(4)]
    net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
    loss = lambda m, b: (cross_entropy(m(b[0]), b[1], reduction="sum"), len(b[1]))
    return net, fit(net, batches, HyperParams(epochs=2, lr=0.01), loss=loss)


def setup(shard=False, batch_size=16, **more):
    from ftcourse import HyperParams, load_task
    from ftcourse.recipes import set_up

    hp = HyperParams(dropout=0.0, max_steps=8, eval_every=4, lr=3e-4, train="full", shard=shard, **more)
    return set_up("tiny-bert", load_task("reviews").take(42), hp)


def train(folder, stop=None, dies=None, shard=False, **run):
    "A run of eight updates in a folder; (weights' hash, losses of this call, parameters held while it trained)."
    from ftcourse.core.processes import process_index
    from ftcourse.train.checkpoints import Run
    from ftcourse.train.loop import train_steps
    from ftcourse.train.sharding import parameters_held

    made = setup(shard)
    losses, held = [], None
    for step in train_steps(run=Run(folder, save_every=1e9, **run), **made.arguments()):
        losses.append(step.loss)
        held = parameters_held(made.model)
        if step.n == stop:
            break
        if dies == (process_index(), step.n):
            os.kill(os.getpid(), signal.SIGKILL)
    return digest(made.model.network), losses, held


def everything(folder):
    "All that is compared between numbers of processes; those that resume find what others have begun in `folder`."
    from ftcourse.core.processes import process_count, process_index

    n, found = process_count(), {}
    for case in CASES if n < 4 else ("classify", "lora"):
        for name in [case] + [f"{case}, sharded"] * (n > 1 and case in SHARDED):
            model = tuned(case, shard=name != case)
            found[name] = facts(model.network, model.history, folder / f"{name} by {n}.safetensors")
    found["own"] = facts(*own(), folder / f"own by {n}.safetensors")
    if n < 4:
        found["whole"] = train(folder / f"whole-{n}")
    for begun in sorted(folder.glob("begun-*")):  # by other numbers of processes
        found[begun.name] = train(begun, shard="pieces" in begun.name and n > 1)
    if n == 2:
        train(folder / "same-2", stop=5)
        found["same"] = train(folder / "same-2")
        train(folder / "same-2-sharded", stop=5, shard=True)
        found["same, sharded"] = train(folder / "same-2-sharded", shard=True)
        found["whole, sharded"] = train(folder / "whole-2-sharded", shard=True)
        train(folder / "next-2", stop=5)
        train(folder / "next-2-pieces", stop=5, shard=True)
        train(folder / "next-2-gathered", stop=5, shard=True, pieces=False)
    if n == 1:
        train(folder / "next-1", stop=5)
    (folder / f"found-{n}-{process_index()}.json").write_text(json.dumps(found))


def main(folder, what):
    import warnings

    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)
    if what == "everything":
        everything(Path(folder))
    else:
        print(train(Path(folder), dies=json.loads(what) and tuple(json.loads(what)), shard=False)[0])


def start(folder, what, processes):
    "Processes of this file without a launcher, as a scheduler would start them."
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    env = os.environ | dict(OMP_NUM_THREADS="1", PYTHONPATH=str(ROOT), HF_HUB_OFFLINE="1")
    env |= dict(WORLD_SIZE=str(processes), MASTER_ADDR="127.0.0.1", MASTER_PORT=port, TORCH_CPP_LOG_LEVEL="ERROR")
    return [
        subprocess.Popen(
            [sys.executable, __file__, str(folder), what],
            env=env | dict(RANK=str(r), LOCAL_RANK=str(r)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for r in range(processes)
    ]


def outputs(started):
    return [p.communicate(timeout=300) for p in started]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    "{processes: [what each of them found]}; runs that were begun with 1 and 2 are resumed with 2, 4 and 1."
    folder, found = tmp_path_factory.mktemp("processes"), {}
    for n, begun in ((2, ()), (1, ("next-2", "next-2-gathered")), (4, ("next-1", "next-2-pieces"))):
        for name in begun:
            shutil.copytree(folder / name, folder / f"begun-{name[5:]}-by-{n}")
        started = start(folder, "everything", n)
        said = outputs(started)
        assert [p.returncode for p in started] == [0] * n, said
        found[n] = [json.loads((folder / f"found-{n}-{i}.json").read_text()) for i in range(n)]
        found[n, "said"] = said
        for done in folder.glob("begun-*"):
            shutil.rmtree(done)
    found["folder"] = folder
    return found


def weights_differ(one, other):
    "The largest difference between the weights in two files."
    from safetensors.torch import load_file

    one, other = load_file(one), load_file(other)
    assert one.keys() == other.keys()
    seen = [n for n in one if not re.search(UNSEEN, n)]
    assert len(seen) > len(one) / 2
    return max((one[n] - other[n]).abs().max().item() for n in seen)


@pytest.mark.parametrize("n", [2, 4])
def test_more_processes_make_the_same_updates(found, n):
    compared = [name for name in found[n][0] if name.removesuffix(", sharded") in (*CASES, "own")]
    assert len(compared) == {2: 9, 4: 5}[n]
    for name in compared:
        case = name.removesuffix(", sharded")
        one, many = found[1][0][case], found[n][0][name]
        assert many["counts"] == one["counts"], name
        for what in ("losses", "validation", "grad norms"):
            # in 32 bits the norm of 262,144 numbers is itself off by some 1e-6, and less that of its parts
            near = 5e-6 if (name, what) == ("instructions, sharded", "grad norms") else TOLERANCE
            assert many[what] == pytest.approx(one[what], rel=near, abs=TOLERANCE), (name, what)
        files = [found["folder"] / f"{x} by {k}.safetensors" for x, k in ((case, 1), (name, n))]
        assert weights_differ(*files) < TOLERANCE, name


def test_every_process_ends_with_the_same_weights_and_history(found):
    for n in (2, 4):
        first, *others = ({k: x for k, x in process.items() if isinstance(x, dict)} for process in found[n])
        assert first and all(other == first for other in others)
        hashes, *theirs = ([x[0] for x in process.values() if isinstance(x, list)] for process in found[n])
        assert hashes and all(other == hashes for other in theirs)


def test_an_uneven_last_update_counts_its_own_rows(found):
    assert found[1][0]["classify"]["counts"] == [32, 10, 32, 10]


def test_a_process_holds_its_share_of_the_parameters(found):
    shares = [held for _, _, held in (process["whole, sharded"] for process in found[2])]
    assert sum(held for held, _ in shares) == shares[0][1]  # nothing twice
    assert max(held for held, _ in shares) < 0.501 * shares[0][1]
    assert found[2][0]["whole"][2] == [shares[0][1]] * 2
    quarter = [process["begun-2-pieces-by-4"][2] for process in found[4]]
    assert max(held for held, _ in quarter) < 0.26 * quarter[0][1]


def test_a_run_goes_on_to_the_same_bits_with_as_many_processes(found):
    two = found[2][0]
    assert len(two["same"][1]) == 3  # updates 6 to 8
    assert two["same"][0] == two["whole"][0]
    assert len(two["same, sharded"][1]) == 3
    assert two["same, sharded"][0] == two["whole, sharded"][0]


@pytest.mark.parametrize("n, begun", [(1, "2"), (1, "2-gathered"), (4, "1"), (4, "2-pieces")])
def test_a_run_goes_on_with_another_number_of_processes(found, n, begun):
    went_on = found[n][0][f"begun-{begun}-by-{n}"][1]
    assert went_on == pytest.approx(found[1][0]["whole"][1][5:], abs=1e-6, rel=1e-6)


def test_one_process_prints_and_the_files_of_a_sharded_run_are_safetensors(found):
    for n in (2, 4):
        assert all(out == "" for out, _ in found[n, "said"][1:])
    assert "2 processes share the rows of each update" in found[2, "said"][0][0]
    checkpoint = found["folder"] / "whole-2-sharded" / "checkpoints" / "step-8"
    names = [f"{what}-0000{i}-of-00002.safetensors" for what in ("model", "optimizer") for i in (1, 2)]
    assert sorted(p.name for p in checkpoint.iterdir()) == [*names, "state.json"]
    whole = found["folder"] / "next-2-gathered" / "checkpoints" / "step-5"
    assert (whole / "model.safetensors").exists()


def test_a_killed_process_ends_the_others_with_what_to_do_and_nothing_is_lost(found, tmp_path):
    started = start(tmp_path / "run", "[0, 6]", 2)  # the main process, which writes the files
    started[0].wait(300)
    began = time.monotonic()
    started[1].wait(60)
    assert time.monotonic() - began < 60
    said = outputs(started)
    assert [p.returncode for p in started] == [-signal.SIGKILL, 1], said
    assert "after step 6: another of the 2 processes ended" in said[1][1]
    assert "the same command goes on from it" in said[1][1]
    said = outputs(start(tmp_path / "run", "null", 2))
    assert "continuing at step 5" in said[0][0], said  # after the last checkpoint
    assert said[0][0].split()[-1] == found[2][0]["whole"][0]


def test_the_command_under_torchrun_trains_together_and_writes_once(tmp_path, monkeypatch):
    from ftcourse.core.errors import CourseError
    from ftcourse.core.processes import launch

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = ["-m", "ftcourse.course.cli.main", "fine-tune", "reviews", "--no-simple", "--out", tmp_path / "model"]
    command += ["--rows", 32, "--max-steps", 2, "--run-folder", tmp_path / "run", "--json"]
    report = json.loads(launch(command, processes=2, timeout=300))  # printed by one of them
    assert report["updates"] == 2
    assert (tmp_path / "model" / "README.md").exists()
    assert not list(tmp_path.glob(".*"))
    with pytest.raises(CourseError, match="ftcourse: .*holds a model already") as refused:
        launch(command, processes=2, timeout=300)
    assert str(refused.value).count("holds a model already") == 1


if __name__ == "__main__":
    main(*sys.argv[1:])
