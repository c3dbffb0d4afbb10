"""One run with 1, 2 and 4 processes, whole and sharded: a part of `make scale`.

Every arm makes the same updates of the same 22M BERT in a fresh set of processes with one thread each; the rounds go
through the arms in turns. Beside the seconds of an update stand what must not change (losses) and what is shared out
(parameters that a process holds, memory of the process with the most, bytes of a checkpoint's largest file).
Every process loads the network whole, and has it whole again at the end, so the peak shows that. One process trains
only those rows of the word table that occur.

`python measure/scale_processes.py [22M [ROUNDS]]` writes scale_processes.json beside this file.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

ARMS = [(1, False), (2, False), (2, True), (4, False), (4, True)]  # processes, sharded
UPDATES, ROUNDS, BATCH = 6, 3, 16
FILE = Path(__file__).resolve().with_suffix(".json")


def work(folder, shard, size):
    "What each process does: a run with a checkpoint at its end."
    import resource
    import time
    import warnings

    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    from common import networks
    from races import data

    from ftcourse.core.hparams import HyperParams
    from ftcourse.core.processes import process_index
    from ftcourse.data.batches import Batches
    from ftcourse.data.encode.examples import Examples
    from ftcourse.train.loop import train_steps
    from ftcourse.train.sharding import parameters_held

    model = networks(size)
    rows = data(UPDATES * BATCH, model.quick_network.config.vocab_size)
    examples = Examples.from_lists([r["input_ids"] for r in rows], [r["labels"] for r in rows], kind="classify")
    hp = HyperParams(max_steps=UPDATES, batch_size=BATCH, lr=1e-4, dropout=0.0, head_start="random", shard=shard)
    hp = hp.replace(train="full")
    for module in model.network.modules():  # a network that was not loaded keeps its own dropout
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    steps, losses, seconds, held = (
        train_steps(model, Batches(examples, BATCH, seed=0), hp, run=folder / "run"),
        [],
        [],
        0,
    )
    last = time.perf_counter()
    for step in steps:
        now = time.perf_counter()
        losses, seconds, held, last = [*losses, step.loss], [*seconds, now - last], parameters_held(model), now
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    # the first update prepares, the last one writes
    found = dict(losses=losses, seconds=min(seconds[1:-1]), held=held[0], all=held[1], peak=peak)
    (folder / f"found-{process_index()}.json").write_text(json.dumps(found))


def scale_processes(size="22M", rounds=ROUNDS, arms=ARMS):
    "All arms in turns, `rounds` times -> [{processes, sharded, seconds: [of an update, a round each], …}]."
    from ftcourse.core.processes import launch

    found = [dict(processes=n, sharded=shard, seconds=[], peak=[]) for n, shard in arms]
    for _ in range(int(rounds)):
        for arm in found:
            with tempfile.TemporaryDirectory() as temp:
                call = [__file__, "work", temp, int(arm["sharded"]), size]
                launch(call, processes=arm["processes"], PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
                each = [json.loads(p.read_text()) for p in sorted(Path(temp).glob("found-*.json"))]
                files = Path(temp).glob("run/checkpoints/*/*.safetensors")
                arm["file"] = max(p.stat().st_size for p in files)
            arm["seconds"].append(round(max(x["seconds"] for x in each), 4))
            arm["peak"].append(max(x["peak"] for x in each))
            arm["losses"], arm["held"] = each[0]["losses"], max(x["held"] for x in each)
            arm["all"] = each[0]["all"]
            print(
                f"  {arm['processes']} processes{', sharded' * arm['sharded']}: {arm['seconds'][-1]:.3f} s", flush=True
            )
    return found


def scale_processes_rows(found):
    "The records as rows of a table, each beside one process."
    one = found[0]
    gap = lambda arm: max(abs(a - b) for a, b in zip(arm["losses"], one["losses"]))
    return [
        {
            "processes": arm["processes"],
            "parameters": "shared out" if arm["sharded"] else "whole",
            "s an update": f"{min(arm['seconds']):.2f}",
            "times one process": f"{min(arm['seconds']) / min(one['seconds']):.2f}",
            "losses differ by": f"{gap(arm):.0e}",
            "a process holds": f"{arm['held'] / arm['all']:.1%}",
            "peak memory of a process, loading included": f"{min(arm['peak']) / min(one['peak']):.2f} times",
            "largest file": f"{arm['file'] / 2**20:.0f} MiB",
        }
        for arm in found
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(Path(sys.argv[2]), bool(int(sys.argv[3])), sys.argv[4])
    else:
        from common import described, machine, table

        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # seconds need an idle machine
        made = {"machine": machine(1), "load": load, "arms": scale_processes(*sys.argv[1:])}
        FILE.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        print(
            f"{described(made['machine'])} Load at the start: {load}.",
            table(scale_processes_rows(made["arms"])),
            sep="\n\n",
        )
