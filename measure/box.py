"""What the real-English encoder in the box is worth: `make box`.

Writes measure/box.md and measure/box.json.

mini-bert beside tiny-bert, random weights of its own architecture, logistic regression on its frozen vectors, a bag of
words (TF-IDF of words and pairs, logistic regression), and its teacher where that is installed (`make real`). Each
network is fine-tuned by the defaults of `fine_tune_model`, with no argument but the seed. Rows and seeds:
measure/few_labels.py. A second table: tuned on 128 generated reviews, scored on SST-2's sentences and on the generated
reviews themselves. A run that was made before is not repeated (`--fresh` repeats it); `--known` writes what there is.
"""

import argparse
import json
import statistics
import warnings
from dataclasses import replace

from common import HERE, Kept, alone, described, installed, machine, recipe, save, stamp, table, threads_from
from few_labels import Job, folder_of, make_runs, mean, met, options, scores
from real import Absent
from tasks import task_of

CELLS = [
    ("glue:sst2", 32),
    ("glue:sst2", 128),
    ("glue:sst2", 512),
    ("trec", 128),
    ("trec", 512),
    ("ag-news", 32),
    ("ag-news", 128),
]
AIMS = {("glue:sst2", 512): 0.75, ("trec", 512): 0.85, ("ag-news", 128): 0.81}
LONGER = ("trec", 512)  # where the default number of updates is what stops mini-bert
ARMS = {  # column: model, arm
    "mini-bert": ("mini-bert", "defaults"),
    "tiny-bert": ("tiny-bert", "defaults"),
    "random weights": ("mini-bert", "random weights"),
    "frozen": ("mini-bert", "frozen"),
    "bag of words": ("mini-bert", "bag of words"),
    "teacher": ("teacher", "defaults"),
}
ROWS, SEEDS = 500, 5


def to_real(weights, seed):
    "Tuned on 128 generated reviews -> accuracy on SST-2's sentences, and on generated reviews."
    from ftcourse import evaluate_model, fine_tune_model, load_task
    from ftcourse.core.machine import set_threads

    set_threads(1)
    warnings.simplefilter("ignore")
    model = fine_tune_model(weights, "reviews", rows=128, seed=seed)
    return {
        "SST-2": evaluate_model(model, replace(task_of("glue:sst2"), labels=["negative", "positive"]))["accuracy"],
        "reviews": evaluate_model(model, load_task("reviews"), rows=ROWS)["accuracy"],
    }


def jobs_of():
    arms = list(ARMS.values())
    try:
        folder_of("teacher")
    except Absent as e:
        print(f"without the teacher: {e}")
        arms.remove(ARMS["teacher"])
    jobs = [Job(model, task, n, seed, arm) for seed in range(SEEDS) for model, arm in arms for task, n in CELLS]
    return jobs + [Job("mini-bert", *LONGER, seed, "twice the updates") for seed in range(SEEDS)]


def moved(args):
    "{model: [accuracies of `to_real`, by seed]}"
    kept, found = Kept("box"), {}
    for seed in range(SEEDS):
        for weights in ("mini-bert", "tiny-bert"):
            key = f"to real {weights} {stamp(weights)} {seed} {installed('torch')} {recipe()}"
            if not args.known and (args.fresh or key not in kept):
                kept[key] = alone(to_real, weights, seed)
            if key in kept:
                found.setdefault(weights, []).append(kept[key])
    return found


def mean_and_range(values):
    "Both, and the number of seeds where it is not that of the page."
    fewer = f", {len(values)} seed{'s' * (len(values) > 1)}" * (len(values) != SEEDS)
    return f"{statistics.mean(values):.3f} ({min(values):.3f}–{max(values):.3f}{fewer})"


def written(record, done):
    rows = []
    for task, n in CELLS:
        found = {column: scores(done, model, task, n, arm) for column, (model, arm) in ARMS.items()}
        rows.append({"task": task, "labels": n} | {c: mean_and_range(s) if s else "" for c, s in found.items()})
    verdicts = []
    for (task, n), aim in AIMS.items():
        if found := scores(done, "mini-bert", task, n, "defaults"):
            m = statistics.mean(found)
            longer = scores(done, "mini-bert", task, n, "twice the updates")
            more = f"; with twice the updates {statistics.mean(longer):.3f}, {len(longer)} seeds" if longer else ""
            verdicts.append(f"{task} with {n} labels {aim}: {met(m >= aim)} ({m:.3f}, {len(found)} seeds{more})")
    costs = []
    for column, (model, arm) in ARMS.items():
        if own := [r for j, r in done.items() if (j.model, j.arm) == (model, arm)]:
            costs.append({"arm": column, "CPU seconds of a training, mean": f"{mean(own, 'seconds'):.1f}"})
    moved = [
        {"tuned": weights} | {where: mean_and_range([r[where] for r in runs]) for where in ("SST-2", "reviews")}
        for weights, runs in record["to real"].items()
    ]
    log = json.loads((HERE.parent / "ftcourse/assets/mini-bert/log.json").read_text())
    last = log[-1]
    return "\n\n".join(
        [
            "# The encoder in the box",
            f"`make box`. {described(record['machine'])}",
            __doc__.split("\n\n", 2)[2].strip(),
            "## On real data",
            f"Accuracy, mean of {SEEDS} seeds, and the range from the lowest to the highest.",
            table(rows),
            *(["Empty cells are not measured yet."] if any("" in row.values() for row in rows) else []),
            "Aims for mini-bert: " + "; ".join(verdicts) + ".",
            table(costs),
            "## From generated text to real text",
            table(moved) if moved else "Not measured yet.",
            "The generated reviews come from the generator that made tiny-bert's pretraining text.",
            "## Its distillation",
            f"After {last['step']:,} updates {last['text']:.1%} of the variance of the teacher's text vectors stay "
            f"unexplained on held-out texts, and {last['tokens']:.1%} of that of its token states. What text, updates, "
            "depth and vocabulary pay: measure/distilling.md.",
        ]
    )


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options(p)
    args = p.parse_args()
    threads_from(args)
    record = {"machine": machine(args.threads), "to real": moved(args)}
    done = make_runs("box", jobs_of(), args)
    record["runs"] = [[*vars(job).values(), *result.values()] for job, result in done.items()]
    save("box", record, written(record, done))


if __name__ == "__main__":
    main()
