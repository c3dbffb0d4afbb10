"""A killed run on pairs goes on to the same bits, all weights or a low-rank update, whatever the loss."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
VERB = """
import hashlib, io, os, signal, sys
from contextlib import redirect_stdout
from ftcourse import fine_tune_model
from ftcourse.core.machine import set_threads
from ftcourse.train.checkpoints import Run
folder, deadly, how, loss = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
set_threads(1)
record = Run.record
def recorded(self, step):
    record(self, step)
    if step.n == deadly: os.kill(os.getpid(), signal.SIGKILL)
Run.record = recorded
with redirect_stdout(io.StringIO()):
    M = fine_tune_model("tiny-gpt", "preferences", rows=32, epochs=3, eval_every=2, lr=5e-4, seed=3, run=folder,
                        train=how, preference_loss=loss, sft_weight=0.1)
weights = b"".join(p.detach().numpy().tobytes() for p in M.network.state_dict().values())
kept = repr(sorted(M.info["reference"]["logps"].items())).encode()
print(hashlib.sha256(weights + kept).hexdigest(), len(M.history.steps), round(M.history.losses[0], 6))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("how, loss", [("full", "dpo"), ("lora-8", "dpo"), ("full", "kto")])
def test_a_killed_run_on_pairs_goes_on_to_the_same_bits(tmp_path, how, loss):
    """The reference is computed anew from the model as it is given, not from the weights that the run had reached: so
    the second life compares with what the first one compared with.
    """
    env = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}

    def call(folder, deadly):
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", VERB, str(folder), str(deadly), how, loss],
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
        )

    whole = call(tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    assert " 6 " in whole.stdout, whole.stdout
    assert call(tmp_path / "killed", 3).returncode == -signal.SIGKILL
    assert call(tmp_path / "killed", 0).stdout == whole.stdout
