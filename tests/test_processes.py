"""Two processes with uneven batches make the updates that one process makes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def main():
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    from ftcourse.core.hparams import HyperParams
    from ftcourse.train.loop import fit

    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.randn(44, 6)
    size = 8 // int(os.environ["WORLD_SIZE"])
    # 11 of 4: the last update has one batch for two processes
    batches = [(part, (part.sum(1) > 0).long()) for part in x.split(size)]
    net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
    history = fit(
        net,
        batches,
        HyperParams(epochs=2, lr=0.01),
        loss=lambda m, b: (cross_entropy(m(b[0]), b[1], reduction="sum"), len(b[1])),
    )
    if os.environ["RANK"] == "0":
        found = {
            "losses": history.losses,
            "grad norms": [s.grad_norm for s in history.steps],
            "counts": [s.count for s in history.steps],
            "weights": net[0].weight.flatten().tolist(),
        }
        print("RESULT", json.dumps(found))


@pytest.mark.skipif(sys.platform == "win32", reason="gloo over processes is tested on Linux and macOS")
def test_two_processes_make_the_same_updates():
    def run(world):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = str(s.getsockname()[1])
        env = os.environ | dict(
            ACCELERATE_USE_CPU="true",
            OMP_NUM_THREADS="1",
            PYTHONPATH=str(ROOT),
            WORLD_SIZE=str(world),
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=port,
        )
        ranks = [
            subprocess.Popen(
                [sys.executable, __file__],
                env=env | dict(RANK=str(r), LOCAL_RANK=str(r)),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for r in range(world)
        ]
        outs = [p.communicate(timeout=300) for p in ranks]
        assert [p.returncode for p in ranks] == [0] * world, outs
        printed, _ = outs[0]
        return json.loads(next(line for line in printed.splitlines() if line.startswith("RESULT"))[7:])

    one, two = run(1), run(2)
    assert one["counts"] == [8, 8, 8, 8, 8, 4] * 2
    assert two["counts"] == one["counts"]
    for name in ("losses", "grad norms", "weights"):
        assert two[name] == pytest.approx(one[name], rel=1e-4, abs=1e-5), name


if __name__ == "__main__":
    main()
