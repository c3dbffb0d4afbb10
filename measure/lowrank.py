"""What an update with low-rank matrices costs beside one of all weights: a part of `make bench`.

CPU seconds of an update of 16 rows of mixed lengths, `train="lora-8"` and `train="full"` in turns, the calmest round of
each. Full tuning moves only the rows of the word table that occur, and both have the same forward pass.
"""

import re
import statistics
import time

from common import networks, table, verdict
from races import BATCH, SIZES, data

AIM = 0.75  # times a full update, with the 22M encoder
ROUNDS, UPDATES = 5, 24


def update_seconds(model, rows, train, updates):
    "CPU seconds of one update, after two that warm up."
    from ftcourse.core.hparams import HyperParams
    from ftcourse.data.batches import Batches
    from ftcourse.data.encode.examples import Examples
    from ftcourse.recipes import adapt
    from ftcourse.train.loop import train_steps

    hp = HyperParams(train=train, max_steps=updates + 2, batch_size=BATCH, lr=1e-4, head_lr=1.0, head_start="random")
    model = model.copy()
    adapt(model, hp)
    examples = Examples.from_lists([r["input_ids"] for r in rows], [r["labels"] for r in rows], kind="classify")
    steps = train_steps(model, Batches(examples, BATCH, seed=0), hp)
    next(steps)
    next(steps)
    began = time.process_time()
    losses = [s.loss for s in steps]
    return (time.process_time() - began) / len(losses)


def lowrank(quick=False):
    "Both arms in turns, for each size -> [{size, cpu: {arm: [seconds]}, ratio}]."
    found = []
    for size in list(SIZES)[: 1 if quick else None]:
        model = networks(size)
        rows = data((UPDATES + 2) * BATCH, model.quick_network.config.vocab_size)
        cpu = {"full": [], "lora-8": []}
        for _ in range(2 if quick else ROUNDS):
            for arm, seconds in cpu.items():
                seconds.append(round(update_seconds(model, rows, arm, 4 if quick else UPDATES), 5))
        ratio = min(cpu["lora-8"]) / min(cpu["full"])
        print(f"  low rank, {size}: {ratio:.2f} times a full update", flush=True)
        found.append({"size": size, "cpu": cpu, "ratio": round(ratio, 3)})
    return found


def lowrank_written(found):
    "The records as Markdown."
    middle = lambda x: statistics.median(a / b for a, b in zip(x["cpu"]["lora-8"], x["cpu"]["full"]))
    rows = [
        {
            "network": x["size"],
            "full, CPU ms": f"{1000 * min(x['cpu']['full']):.1f}",
            "lora-8": f"{1000 * min(x['cpu']['lora-8']):.1f}",
            "times": f"{x['ratio']:.2f}",
            "median of the rounds": f"{middle(x):.2f}",
        }
        for x in found
    ]
    large = next((x for x in found if x["size"] == "22M"), None)
    aim = f"Aim with the 22M encoder: at most {AIM} {verdict(large['ratio'] <= AIM)}. " if large else ""
    return [
        "## Updates of low rank",
        re.sub(r"\s+", " ", __doc__.split("\n\n")[1]).strip(),
        table(rows),
        f"{aim}The gradient of the weights falls away, a third of the multiplications; the thin products come on top.",
    ]
