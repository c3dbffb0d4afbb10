"""What low-rank updates learn and forget, by rank, rate and variant: `make adapters`.

A decoder learns to end a review with the word for the other mood (lesson 19), in 100 updates of 16 rows. Accuracy is
on test reviews; the held-out loss, in nats a token, is on documents that pretraining has not read. Encoders: the
defaults and `train="lora-8"`, nothing else changed, on real tasks; those runs are shared with `make box` and
`make regret`. Writes measure/adapters.json and .md, and ftcourse/assets/adapters.json, which the lesson shows.
"""

import argparse
import contextlib
import io
import json
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import few_labels
from common import Runs, described, machine, save, stamp, table, threads_from

from ftcourse.core.files import write_atomic

MODEL, UPDATES, SEEDS = "tiny-gpt", 100, 5
RATES = {
    "full": (2e-4, 3e-4, 5e-4, 1e-3),
    "lora-1": (2e-3, 5e-3, 1e-2, 2e-2),
    "lora-4": (1e-3, 2e-3, 5e-3, 1e-2),
    "lora-16": (1e-3, 2e-3, 3e-3, 5e-3),
}
# variants of rank 8 and of rank 64 at the same rate: (train, initialisation)
VARIANTS = [
    ("lora", "uniform"),
    ("rslora", "uniform"),
    ("dora", "uniform"),
    ("lora", "normal"),
    ("lora", "orthogonal"),
    ("lora", "swapped"),
]
RANKS, RATE = (8, 64), 1e-3
LABELS, TASKS, MODELS = (128, 512), ("glue:sst2", "trec"), ("mini-bert", "teacher")


def jobs():
    "(train, rate, initialisation, seed) of all runs."
    swept = [(train, lr, "uniform", seed) for seed in range(SEEDS) for train, lrs in RATES.items() for lr in lrs]
    varied = [
        (f"{variant}-{rank}", RATE, init, seed) for seed in range(SEEDS) for rank in RANKS for variant, init in VARIANTS
    ]
    return swept + varied


def one(job):
    "One run -> its scores."
    from ftcourse.core.machine import set_threads
    from ftcourse.experiments.adapters import turn

    set_threads(1)
    warnings.filterwarnings("ignore")
    train, lr, init, seed = job
    how = {} if init == "uniform" else {"init": init}
    with contextlib.redirect_stdout(io.StringIO()):
        _, found = turn(train, lr, seed, UPDATES, MODEL, **how)
    return {k: round(v, 4) for k, v in found.items()}


def encoder_jobs(models):
    "The defaults, and the same with an update of rank 8."
    return [
        few_labels.Job(model, task, labels, seed, arm)
        for seed in range(SEEDS)
        for model in models
        for task in TASKS
        for labels in LABELS
        for arm in ("defaults", "lora")
    ]


def encoders(done):
    "[{model, task, labels, defaults, lora}] where both arms have a seed in common."
    found = []
    for model in MODELS:
        for task in TASKS:
            for labels in LABELS:
                seeds = [
                    {
                        j.seed: r
                        for j, r in done.items()
                        if (j.model, j.task, j.labels, j.arm) == (model, task, labels, arm)
                    }
                    for arm in ("defaults", "lora")
                ]
                both = sorted(seeds[0].keys() & seeds[1].keys())
                if both:
                    arms = {a: [s[n]["score"] for n in both] for a, s in zip(("defaults", "lora"), seeds)}
                    found.append(
                        {"model": "MiniLM" if model == "teacher" else model, "task": task, "labels": labels} | arms
                    )
    return found


def written(record):
    "The record as Markdown."
    from ftcourse.experiments.adapters import encoder_rows, sweep_rows, variant_rows

    parts = [
        "# What low-rank updates learn and forget",
        f"`make adapters`. {described(record['machine'])}",
        __doc__.split("\n\n")[1].replace("\n", " "),
        f"## A word turned round: {MODEL}, {SEEDS} seeds",
        f"Before: held-out loss {record['before']['held-out loss']:.3f}, accuracy {record['before']['accuracy']:.3f}.",
        table(sweep_rows(record)),
        f"## Variants, at the rate {RATE:g}",
        table(variant_rows(record)),
        "## Encoders on real tasks",
    ]
    rows = encoder_rows(record)
    parts.append(table(rows) if rows else "Not measured.")
    return "\n\n".join(parts)


def before():
    "The decoder as it is shipped."
    from ftcourse import load_model
    from ftcourse.experiments.adapters import turned_accuracy
    from ftcourse.experiments.tiny_models import heldout_loss

    M = load_model(MODEL)
    return {"accuracy": turned_accuracy(M), "held-out loss": heldout_loss(M.network, M.tokenizer, 200)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    few_labels.options(p)
    args = p.parse_args()
    threads_from(args)
    from ftcourse.core.settings import assets

    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        done = Runs("adapters", one, lambda j: f"{stamp(MODEL)} {UPDATES} {j}", pool, args.fresh)
        done.make("adapters", jobs(), lambda j, found: f"{j}: {found}", 10, args.known)
    models = [m for m in MODELS if m != "teacher" or few_labels.find(few_labels.ENCODER)]
    real = few_labels.make_runs("encoders", encoder_jobs(models), args)
    record = {
        "made by": "measure/adapters.py",
        "machine": machine(args.threads) | {"processes": args.workers},
        "weights": stamp(MODEL),
        "model": MODEL,
        "updates": UPDATES,
        "before": before(),
        "runs": [dict(zip(("train", "lr", "init", "seed"), j)) | done[j] for j in jobs() if j in done],
        "encoders": encoders(real),
    }
    save("adapters", record, written(record))
    write_atomic(assets() / "adapters.json", json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
