"""How many labels real tasks need: `make real`.

Writes measure/real_budgets.md and measure/real_budgets.json.

The curves of lesson 16 on real data, with MiniLM (22.7M parameters) and with mini-bert (2.5M). Fine-tuned: by the
defaults of `fine_tune_model`, with no argument but the seed. Random weights: the same architecture and defaults.
Frozen: logistic regression on what the head reads of each text, before anything is trained. Its C is 2/n, as for a head
that begins as logistic regression (ftcourse/train/head_start.py); where each class has five rows, five folds of the
training rows choose among 1, 4, 16, 64 and 256 times that. Bag of words: TF-IDF of words and pairs of neighbours, and
logistic regression with C = 10. Rows and seeds: measure/few_labels.py; of a seed, the smaller sets lie inside its
larger ones. A run that was made before is not repeated (`--fresh` repeats it); `--known` writes what there is.
"""

import argparse

from common import described, machine, save, table, threads_from
from few_labels import MOST_ROWS, REAL, Job, folder_of, make_runs, mean, met, options, scores
from real import Absent
from tasks import task_of

NAMES = {"teacher": "MiniLM", "mini-bert": "mini-bert"}
LABELS = (8, 32, 128, 512)
MORE = {"trec": (48,)}  # eight of each class
MANY = 2048  # for what costs nothing
PLAN = {  # model, arm: seeds
    ("mini-bert", "bag of words"): 5,
    ("teacher", "frozen"): 5,
    ("mini-bert", "frozen"): 5,
    ("teacher", "defaults"): 5,
    ("mini-bert", "defaults"): 5,
    ("mini-bert", "random weights"): 5,
}
AIMS = {  # issue 15: MiniLM by the defaults
    "trec": {48: 0.72, 32: 0.70, 128: 0.85, 512: 0.93},
    "glue:sst2": {32: 0.67, 128: 0.74, 512: 0.77},
    "ag-news": {32: 0.80, 128: 0.85, 512: 0.87},
}


def arm_name(model, arm):
    if arm == "bag of words":
        return arm
    return f"{NAMES[model]}, {'fine-tuned' if arm == 'defaults' else arm}"


def jobs_of(tasks):
    jobs = []
    for (model, arm), seeds in PLAN.items():
        try:
            folder_of(model)
        except Absent as e:
            print(f"  skipped: {e}")
            continue
        for task in tasks:
            labels = [*LABELS, *MORE.get(task, ())]
            if arm in ("frozen", "bag of words"):
                labels += [n for n in (MANY,) if n <= len(task_of(task).train)]
            jobs += [Job(model, task, n, seed, arm) for n in sorted(labels) for seed in range(seeds)]
    return jobs


def by_arm(done):
    "{arm: {task: {labels: accuracies by seed}}}, and the same of the mean CPU seconds of a training."
    found, seconds = {}, {}
    for model, arm in PLAN:
        for task in REAL:
            for n in sorted({j.labels for j in done}):
                if values := scores(done, model, task, n, arm):
                    name = arm_name(model, arm)
                    found.setdefault(name, {}).setdefault(task, {})[str(n)] = values
                    runs = [r for j, r in done.items() if (j.model, j.task, j.labels, j.arm) == (model, task, n, arm)]
                    seconds.setdefault(name, {}).setdefault(task, {})[str(n)] = round(mean(runs, "seconds"), 1)
    return found, seconds


def written(record):
    "The record as Markdown: a table per task, a line per arm and number of labels."
    from ftcourse.metrics.intervals import mean_interval

    parts = [
        "# Labels that real tasks need",
        f"`make real`. {described(record['machine'])}",
        __doc__.split("\n\n")[2].replace("\n", " "),
    ]
    for task, about in REAL.items():
        rows, verdicts = [], []
        for arm, found in record["arms"].items():
            for n, values in found.get(task, {}).items():
                m, low, high = mean_interval(values)
                rows.append(
                    {
                        "arm": arm,
                        "labels": n,
                        "seeds": len(values),
                        "accuracy": m,
                        "95% over seeds": (low, high) if len(values) > 1 else "",
                        "CPU seconds": record["seconds"][arm][task][n],
                    }
                )
                aim = AIMS[task].get(int(n)) if arm == "MiniLM, fine-tuned" else None
                if aim:
                    verdicts.append(f"{n} labels {aim:.2f}: {met(m >= aim)} ({m:.3f})")
        if rows:
            parts += [f"## {task}: {about}", f"{record['rows'][task]:,} test rows.", table(rows)]
        if verdicts:
            parts.append(f"Aims for MiniLM by the defaults: {'; '.join(verdicts)}.")
    parts.append(
        "Where an interval reaches beyond 1, that is Student's t with few seeds, which does not know that accuracy "
        "ends there."
    )
    return "\n\n".join(parts + [f"Skipped: {reason}." for reason in record["skipped"]])


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options(p)
    args = p.parse_args()
    threads_from(args)
    record = {"machine": machine(args.threads), "skipped": []}
    try:
        record["rows"] = {task: min(MOST_ROWS, len(task_of(task).test)) for task in REAL}
    except Absent as e:
        print(f"skipped: {e}")
        return
    done = make_runs("real_budgets", jobs_of(REAL), args)
    record["arms"], record["seconds"] = by_arm(done)
    print(written(record))
    save("real_budgets", record, written(record))


if __name__ == "__main__":
    main()
