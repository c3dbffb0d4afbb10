"""What the real-English encoder in the box is worth: `make box`.

Writes measure/box.md and measure/box.json.

mini-bert beside tiny-bert, random weights of its own architecture, a bag of words (TF-IDF of words and pairs, logistic
regression), and its teacher where that is installed (`make real`). Each is fine-tuned by the defaults of
`fine_tune_model`, with no argument but the seed. A seed draws other rows, another head and another order. 500 test
rows, the same for all; nothing is selected on them. A second table: tuned on 128 generated reviews, scored on SST-2's
sentences and on the generated reviews themselves. A run that was made before is not repeated (`--fresh` repeats it).
"""

import argparse
import json
import statistics
import warnings
from dataclasses import replace

from common import HERE, Kept, alone, described, installed, machine, save, stamp, table, threads_from
from real import ENCODER, Absent, find
from tasks import task_of

from ftcourse.experiments.baselines import bag_of_words, split_texts

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
ARMS = ("mini-bert", "tiny-bert", "random weights", "bag of words", "teacher")
ROWS, SEEDS, C = 500, 5, 10.0


def scored_task(name):
    "The task with 500 of its test rows."
    task = task_of(name)
    test = task.test.shuffle(seed=0).select(range(min(ROWS, len(task.test))))
    return replace(task, splits=type(task.splits)(train=task.train, test=test))


def one(arm, weights, name, labels, seed):
    "One run -> accuracy on the test rows."
    from ftcourse import evaluate_model, fine_tune_model, load_model
    from ftcourse.core.machine import set_threads

    set_threads(1)
    warnings.simplefilter("ignore")
    task = scored_task(name).take(labels, seed=seed)
    if arm == "bag of words":
        model = bag_of_words(C).fit(split_texts(task, "train"), task.label_ids("train"))
        return {"accuracy": float(model.score(split_texts(task, "test"), task.label_ids("test")))}
    start = load_model(weights, task=task, random=arm == "random weights", seed=seed)
    return {"accuracy": evaluate_model(fine_tune_model(start, task, seed=seed), task)["accuracy"]}


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


def measured(arms, fresh):
    kept, found = Kept("box"), {}
    if fresh:
        kept.known = {}
    for arm in arms:
        weights = "mini-bert" if arm in ("mini-bert", "random weights") else arm
        if arm == "teacher":
            try:
                weights = str(find(ENCODER))
            except Absent as e:
                print(f"without the teacher: {e}")
                continue
        print_of = stamp("mini-bert" if arm == "bag of words" else weights)
        for name, labels in CELLS:
            for seed in range(SEEDS):
                key = f"{arm} {print_of} {name} {labels} {seed} {installed('torch')}"
                if key not in kept:
                    kept[key] = alone(one, arm, weights, name, labels, seed)
                found.setdefault(arm, {}).setdefault(f"{name} {labels}", []).append(kept[key])
            runs = found[arm][f"{name} {labels}"]
            print(arm, name, labels, [round(r["accuracy"], 3) for r in runs], flush=True)
    moved = {}
    for weights in ("mini-bert", "tiny-bert"):
        for seed in range(SEEDS):
            key = f"to real {weights} {stamp(weights)} {seed} {installed('torch')}"
            if key not in kept:
                kept[key] = alone(to_real, weights, seed)
            moved.setdefault(weights, []).append(kept[key])
    return {"arms": found, "to real": moved}


def mean_and_range(values):
    return f"{statistics.mean(values):.3f} ({min(values):.3f}–{max(values):.3f})"


def written(record):
    rows = []
    for name, labels in CELLS:
        row = {"task": name, "labels": labels}
        for arm, cells in record["arms"].items():
            row[arm] = mean_and_range([r["accuracy"] for r in cells[f"{name} {labels}"]])
        rows.append(row)
    verdicts = []
    for (name, labels), aim in AIMS.items():
        mean = statistics.mean(r["accuracy"] for r in record["arms"]["mini-bert"][f"{name} {labels}"])
        verdicts.append(f"{name} with {labels} labels {aim}: {'met' if mean >= aim else f'**not met** ({mean:.3f})'}")
    costs = [
        {
            "arm": arm,
            "CPU seconds a run, mean": f"{statistics.mean(r['cpu_seconds'] for c in cells.values() for r in c):.1f}",
        }
        for arm, cells in record["arms"].items()
    ]
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
            "Aims for mini-bert: " + "; ".join(verdicts) + ".",
            table(costs),
            "## From generated text to real text",
            table(moved),
            "The generated reviews come from the generator that made tiny-bert's pretraining text.",
            "## Its distillation",
            f"After {last['step']:,} updates {last['text']:.1%} of the variance of the teacher's text vectors stay "
            f"unexplained on held-out texts, and {last['tokens']:.1%} of that of its token states.",
        ]
    )


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--fresh", action="store_true", help="repeat runs that were made before")
    p.add_argument("--arms", nargs="*", default=list(ARMS), choices=ARMS)
    o = p.parse_args()
    threads_from(o)
    record = {"machine": machine(o.threads)} | measured(o.arms, o.fresh)
    save("box", record, written(record))


if __name__ == "__main__":
    main()
