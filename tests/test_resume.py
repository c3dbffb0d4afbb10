"""A killed run goes on to the same bits: at random moments, and at every single moment of writing.

The experiment runs in a process of its own, on one thread, which forks a child for each attempt: a child trains until
it is killed (SIGKILL, nothing can be tidied up), the next one calls the same thing again.
"""

import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


VERB = """
import hashlib, io, os, signal, sys
from contextlib import redirect_stdout
import ftcourse.tasks
from ftcourse import fine_tune_model
from ftcourse.train.checkpoints import Run
from ftcourse.core.machine import set_threads
folder, deadly = sys.argv[1], int(sys.argv[2])
set_threads(1)
record = Run.record
def recorded(self, step):
    record(self, step)
    if step.n == deadly: os.kill(os.getpid(), signal.SIGKILL)
Run.record = recorded
with redirect_stdout(io.StringIO()):
    M = fine_tune_model(CALL, max_steps=8, eval_every=2, seed=3, run=folder)
weights = b"".join(p.detach().numpy().tobytes() for p in M.network.state_dict().values())
kept = repr(sorted(M.info.get("reference", {}).get("logps", {}).items())).encode()
print(hashlib.sha256(weights + kept).hexdigest(), len(M.history.steps))
"""


PAIRS = '"tiny-gpt", "preferences", rows=32, lr=5e-4, sft_weight=0.1, '
CALLS = {
    "full": '"tiny-bert", "reviews", rows=32, lr=5e-4',
    "lora": '"tiny-bert", "reviews", rows=32, train="lora-4"',
    # rows of several conversations, and the likeliest answers written at each validation
    "instructions": '"tiny-gpt", "instructions", rows=48, lr=1e-3, batch_size=4, packing=True',
    "instructions, lora": '"tiny-gpt", "instructions", rows=48, lr=1e-3, batch_size=4, train="lora-8"',
    # completions are sampled inside the loss, and the model before the run is held on to
    "reward": '"tiny-gpt", "prompts", rows=8, lr=1e-3, batch_size=2, completions=4, max_new_tokens=6, beta=0.1, '
    'reward=__import__("ftcourse").tasks.rewards.positive_words',
    # the reference is computed anew from the model as it is given, not from the weights that the run had reached
    "pairs": PAIRS + 'train="full", preference_loss="dpo"',
    "pairs, lora": PAIRS + 'train="lora-8", preference_loss="dpo"',
    "pairs, kto": PAIRS + 'train="full", preference_loss="kto"',
}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("what", CALLS)
def test_a_killed_fine_tuning_of_a_real_model_goes_on_to_the_same_bits(tmp_path, what):
    """The verb itself, with dropout, buckets, the choice of the best checkpoint: killed in the middle of an update's
    writing, twice.
    """
    env = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}

    def call(folder, deadly):
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", VERB.replace("CALL", CALLS[what]), str(folder), str(deadly)],
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
        )

    whole = call(tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.endswith(" 8\n"), whole.stderr
    for deadly in (3, 6):
        assert call(tmp_path / "killed", deadly).returncode == -signal.SIGKILL
    assert call(tmp_path / "killed", 0).stdout == whole.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to start dozens of processes quickly")
@pytest.mark.parametrize("what", ["random", "every"])
def test_killed_run_goes_on_to_the_same_bits(what):
    env = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, __file__, what], env=env, capture_output=True, text=True, timeout=900)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def setup():
    import torch

    torch.set_num_threads(1)
    from ftcourse.core.hparams import HyperParams

    class Batch:
        def __init__(self, x, y, rows):
            self.x, self.y, self.rows, self.tokens = x, y, rows, len(rows)

    class Toy:
        x = torch.randn(60, 6, generator=torch.Generator().manual_seed(1))

        def __len__(self):
            return 8

        def epoch(self, k, start=0):
            order = torch.randperm(60, generator=torch.Generator().manual_seed(k)).split(8)
            return iter([Batch(self.x[i], (self.x[i].sum(1) > 0).long(), i.tolist()) for i in order[start:]])

    def network():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Linear(6, 32), torch.nn.LayerNorm(32), torch.nn.Dropout(0.3), torch.nn.Linear(32, 2)
        )

    def loss(m, b):
        return torch.nn.functional.cross_entropy(m(b.x), b.y, reduction="sum"), len(b.y)

    def validate(m):
        m.eval()
        with torch.no_grad():
            return {"loss": (loss(m, Batch(Toy.x, (Toy.x.sum(1) > 0).long(), []))[0] / 60).item()}

    return (
        HyperParams(lr=0.02, epochs=3, accumulate=2, keep=1, eval_every=3, batch_size=8),
        Toy,
        network,
        loss,
        validate,
    )


def train(folder, hp, Toy, network, loss, validate):
    "Weights' bytes and history of the whole run, in this process."
    from ftcourse.train.checkpoints import Run
    from ftcourse.train.loop import fit

    net = network()
    history = fit(net, Toy(), hp, loss=loss, validate=validate, run=Run(folder, {"source": "toy"}, save_every=0))
    weights = b"".join(p.detach().numpy().tobytes() for p in net.parameters())
    return weights, [(s.n, s.epoch, s.loss, s.count, s.lr, s.grad_norm, s.tokens, s.validation) for s in history.steps]


def child(job):
    "Run `job` in a fork; returns its pid."
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            job()
        code = 0
    finally:
        os._exit(code)


def wait(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def sound(folder):
    "Whatever the moment of the kill, what lies in the folder can be read."
    from ftcourse.train.checkpoints import Run

    run = Run(folder)
    if run.newest():
        for path in (run.newest(), run.best()):
            assert {p.name for p in path.iterdir()} == {"model.safetensors", "optimizer.safetensors", "state.json"}
        assert len(run.history().steps) >= run.checkpoints()[-1]["step"]


def at_random(folder, parts, whole):
    "Kill at random moments until the run gets through."
    rng, kills, lives = random.Random(0), 0, 0
    began = time.perf_counter()
    assert wait(child(partial(train, folder / "unharmed", *parts))) == 0
    life = time.perf_counter() - began  # of a run that nobody kills: a guess, which the machine's load makes wrong
    for trial in range(16):
        if kills >= 8:
            break
        place = folder / f"random{trial}"
        while True:
            lives += 1
            pid = child(partial(train, place, *parts))
            if lives < 200:
                time.sleep(life * rng.uniform(0.05, 0.8))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            code = wait(pid)
            assert code in (0, -signal.SIGKILL), f"a child ended with {code}"
            sound(place)
            if code == 0:
                life *= 0.6  # it was through before it was hit: the next one is hit earlier
                break
            kills, life = kills + 1, life * 1.1  # and none is hit so early, again and again, that it never gets through
        assert quiet(partial(train, place, *parts)) == whole, f"trial {trial} ended in other bits"
    print(f"{kills} kills at random moments")
    assert kills >= 4


def at_every(folder, parts, whole):
    "Kill before the 1st, 2nd, 3rd … call that changes a file, then after it, until a run gets through."
    hp = parts[0].replace(max_steps=3, eval_every=1)
    parts = (hp, *parts[1:])
    whole = quiet(lambda: train(folder / "whole3", *parts))

    def dies(place, k):
        calls = 0

        def counted(f):
            def g(*a, **kw):
                nonlocal calls
                calls += 1
                if calls == k:
                    os.kill(os.getpid(), signal.SIGKILL)
                return f(*a, **kw)

            return g

        import shutil

        import ftcourse.train.checkpoints as runs

        for name in ("replace", "rename", "fsync", "mkdir", "unlink", "rmdir"):
            setattr(os, name, counted(getattr(os, name)))
        shutil.rmtree = counted(shutil.rmtree)
        runs.save_file = counted(runs.save_file)
        train(place, *parts)

    for k in range(1, 400):
        place = folder / f"every{k}"
        code = wait(child(partial(dies, place, k)))
        if code == 0:
            break
        assert code == -signal.SIGKILL, f"kill {k}: ended with {code}"
        sound(place)
        if k % 3 == 0:  # and a second time, on the way back
            wait(child(partial(dies, place, 4)))
            if (place / "history.jsonl").exists():
                with open(place / "history.jsonl", "a") as f:
                    f.write('{"n": 4, "epo')  # a line that a kill cut in two
        assert quiet(partial(train, place, *parts)) == whole, f"kill {k} ended in other bits"
    print(f"killed at each of {k - 1} calls that change a file")
    assert k > 30


def quiet(job):
    with contextlib.redirect_stdout(io.StringIO()):
        return job()


if __name__ == "__main__":
    began, parts = time.time(), setup()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # where fsync costs nothing
    with tempfile.TemporaryDirectory(dir=memory) as temp:
        whole = quiet(lambda: train(Path(temp) / "whole", *parts))
        assert quiet(lambda: train(Path(temp) / "whole2", *parts)) == whole
        {"random": at_random, "every": at_every}[sys.argv[1]](Path(temp), parts, whole)
    print(f"{time.time() - began:.1f} s")
