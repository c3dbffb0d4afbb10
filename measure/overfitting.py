"""What each cure of lesson 17 does against overfitting, by labels and by wrong labels: `python measure/overfitting.py`.

A long run of tiny-bert on few labels of `reviews`, a share of them wrong, against the same run with one change: the
same rows, wrong labels, head and order for each seed, scored on test rows that chose nothing. Every strength was fixed
before its result was seen. Seconds are CPU seconds of training on one thread. Writes measure/overfitting.json and .md,
and ftcourse/assets/cures.json, which the lesson shows. A run made before with the same weights is not repeated;
`--ready` writes what there is, `--cells 64@0.2` measures one cell.
"""

import argparse
import contextlib
import io
import json
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from multiprocessing import get_context

from common import Runs, described, machine, save, stamp, table, threads_from

from ftcourse.core.files import write_atomic

TASK, MODEL, UPDATES, LR = "reviews", "tiny-bert", 100, 5e-4
# (labels, share of wrong ones): seeds
CELLS = {(64, 0.2): 8} | {(n, noise): 5 for n in (64, 16, 256) for noise in (0.2, 0.0, 0.4) if (n, noise) != (64, 0.2)}
BETWEEN = {(64, 0.1): 5, (64, 0.3): 5}  # for the curve over noise: some cures only
DOSE_SEEDS = 5
FEW = ("nothing", "shorter run", "head only", "twice the labels")
# strengths beside those of CURES
DOSES = {
    "weight decay": (0.1, 10.0),
    "dropout": (0.2, 0.5),
    "label smoothing": (0.1, 0.4),
    "smaller rate": (0.5, 0.05),
}
FIELD = {"weight decay": "weight_decay", "dropout": "dropout", "label smoothing": "label_smoothing"}


def dosed(name, dose):
    "A cure at another strength."
    from ftcourse.experiments.cures import CURES

    changed = {"rate": dose} if name == "smaller rate" else {"hyper": {FIELD[name]: dose}}
    return replace(CURES[name], **changed)


def job(labels, noise, cure, seed, dose=None):
    return (labels, noise, cure, dose, seed)


def one(j):
    "One run -> its scores."
    from ftcourse.core.machine import set_threads
    from ftcourse.experiments.cures import CURES, run_cure

    set_threads(1)
    warnings.filterwarnings("ignore")
    labels, noise, name, dose, seed = j
    cure = CURES[name] if dose is None else dosed(name, dose)
    with contextlib.redirect_stdout(io.StringIO()):
        found = run_cure(task(), cure, MODEL, labels, noise, seed, updates=UPDATES, lr=LR)
    return {k: round(v, 4) for k, v in found.items()}


@cache
def task():
    "Loaded once a process, and one short run made, so that no measured run pays for what happens once."
    from ftcourse import load_task
    from ftcourse.experiments.cures import CURES, run_cure

    with contextlib.redirect_stdout(io.StringIO()):
        run_cure(load_task(TASK), CURES["nothing"], MODEL, 8, 0.0, updates=4, test_rows=8)
    return load_task(TASK)


def jobs_of(cells):
    """All runs, the cell that the claims stand on first; within a cell one seed after the other, so that all cures
    share good and bad minutes of the machine.
    """
    from ftcourse.experiments.cures import CURES

    main = [job(n, noise, cure, seed) for (n, noise), seeds in CELLS.items() for seed in range(seeds) for cure in CURES]
    curve = [
        job(n, noise, cure, seed) for (n, noise), seeds in BETWEEN.items() for seed in range(seeds) for cure in FEW
    ]
    doses = [job(64, 0.2, cure, seed, dose) for seed in range(DOSE_SEEDS) for cure, ds in DOSES.items() for dose in ds]
    first = [j for j in main if j[0] == 64]
    soon = [j for j in main if j[0] != 64 and j[2] in FEW and j[1] == 0.2]
    late = [j for j in main if j[0] != 64 and j not in soon]
    every = [*first, *soon, *curve, *doses, *late]
    return [j for j in every if cells is None or f"{j[0]}@{j[1]:g}" in cells]


def measured(jobs, workers, only_ready):
    "{job: scores}; what was made before is kept."

    def key(j):
        return f"{TASK} {MODEL} {stamp(MODEL)} {UPDATES} {LR:g} {j}"

    several = ProcessPoolExecutor(workers, mp_context=get_context("spawn")) if workers > 1 else contextlib.nullcontext()
    with several as pool:
        done = Runs("overfitting", one, key, pool)
        done.make("overfitting", jobs, lambda j, found: f"{j}: {found}", only_known=only_ready)
    return done


def gathered(done):
    "Cells with all their seeds, as the package carries them; and the strengths."
    from ftcourse.experiments.cures import CURES

    names = ("accuracy", "loss", "ece", "train", "seconds")

    def runs(n, noise, seeds, cures, dose=None):
        found = {c: [done.get(job(n, noise, c, s, dose)) for s in range(seeds)] for c in cures}
        return {c: {k: [x[k] for x in xs] for k in names} for c, xs in found.items() if all(xs)}

    cells = [
        dict(labels=n, noise=noise, seeds=seeds, runs=runs(n, noise, seeds, CURES if (n, noise) in CELLS else FEW))
        for (n, noise), seeds in (CELLS | BETWEEN).items()
    ]
    usual = {"weight decay": 1.0, "dropout": 0.3, "label smoothing": 0.2, "smaller rate": 0.2}
    doses = {}
    for c, ds in DOSES.items():
        for d in sorted([*ds, usual[c]]):
            if found := runs(64, 0.2, DOSE_SEEDS, [c], None if d == usual[c] else d):
                doses.setdefault(c, {})[f"{d:g}"] = found[c]
    ready = [c for c in cells if c["runs"].get("nothing")]
    return sorted(ready, key=lambda c: (c["labels"], c["noise"])), doses


def written(record):
    "The record as Markdown."
    from ftcourse.experiments.cures import cures_from

    parts = [
        "# What cures do against overfitting",
        f"`python measure/overfitting.py`. {described(record['machine'])}",
        __doc__.split("\n\n")[1].replace("\n", " "),
    ]
    for (labels, noise), cures in cures_from(record).items():
        head, *rows = cures.lines()
        head = [h or f"{head[i - 1]}: " for i, h in enumerate(head)]
        parts += [f"## {labels} labels, {noise:.0%} of them wrong", table([dict(zip(head, r)) for r in rows])]
    if record["doses"]:
        names = {"accuracy": "accuracy", "loss": "loss", "calibration error": "ece"}
        rows = [
            {"cure": c, "strength": d} | {name: sum(v[k]) / len(v[k]) for name, k in names.items()}
            for c, ds in record["doses"].items()
            for d, v in ds.items()
        ]
        parts += ["## Other strengths", f"64 labels, 20% of them wrong, mean of {DOSE_SEEDS} seeds.", table(rows)]
    return "\n\n".join(parts)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--cells", help="labels@noise, such as 64@0.2,16@0; nothing is written")
    p.add_argument("--ready", action="store_true", help="measure nothing; write the cells whose runs are all there")
    p.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    args = p.parse_args()
    args.threads = 1
    threads_from(args)
    from ftcourse.core.settings import assets

    done = measured(jobs_of(args.cells and args.cells.split(",")), args.workers, args.ready)
    if args.cells:
        return
    cells, doses = gathered(done)
    m = machine(1) | {"processes": args.workers}
    record = {
        "made by": "measure/overfitting.py",
        "date": m["date"],
        "machine": m,
        "weights": stamp(MODEL),
        "task": TASK,
        "model": MODEL,
        "updates": UPDATES,
        "lr": LR,
        "cells": cells,
        "doses": doses,
    }
    save("overfitting", record, written(record))
    write_atomic(assets() / "cures.json", json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
