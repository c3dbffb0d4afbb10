"""How many labels real tasks need: `make real`.

Writes measure/real_budgets.md and measure/real_budgets.json.

The curves of lesson 16 on real data, with MiniLM (22.7M parameters) in place of the tiny model. Fine-tuned: the whole
network, from its pretrained or from random weights, round(7 √n) updates for n labels, last weights scored. Frozen: the
mean of its last hidden states, and logistic regression on that. Its C is 2/n, as for a head that begins as logistic
regression (ftcourse/train/head_start.py); where each class has five rows, five folds of the training rows choose among
1, 4, 16, 64 and 256 times that. Bag of words: TF-IDF of words and pairs of neighbours, and logistic regression with
C = 10. The rate is fixed; nothing is tuned on what is scored. A seed draws other rows, and its smaller sets lie inside
its larger ones. Small on purpose: what two cores bear. A run that was made before is not repeated (`--fresh` repeats
it); `--known` writes what there is.
"""

import argparse
import math
import statistics
import time
import warnings
from dataclasses import replace

from common import Kept, alone, described, installed, machine, save, table, threads_from
from real import ENCODER, Absent, find
from tasks import task_of

from ftcourse.experiments.baselines import bag_of_words, split_texts

TASKS = {
    "glue:sst2": "sentiment of film reviews, the official dev",
    "trec": "six kinds of question, the official test",
    "ag-news": "four kinds of news, 1,000 rows of the official test",
}
LR, C, MAX_LENGTH = 1e-4, 10.0, 64
FROZEN = "C by rows"  # how the frozen arm chooses its C: part of the key of its runs
OLD_FROZEN = (
    "The frozen arm above was measured on 2026-11-26 with C = 10 for every number of labels, which understates it from "
    "512 labels on: on AG News it falls from 512 to 2048. The script now chooses C by the number of labels, and by "
    "cross-validation where each class has five: seed 0 of AG News with 512 labels gets .866 in place of .835. The arm "
    "is to be measured again (`make real`)."
)
CHEAP = (8, 32, 128, 512, 2048)
PLAN = {  # arm: labels, seeds
    "bag of words": (CHEAP, 5),
    "frozen": (CHEAP, 5),
    "fine-tuned": (CHEAP[:4], 3),
    "random start": ((128, 512), 3),
}


def updates(labels):
    return round(7 * math.sqrt(labels))


def fine_tuned(folder, name, labels, seed, random):
    from ftcourse import evaluate_model, fine_tune_model, load_model
    from ftcourse.core.machine import set_threads

    set_threads()
    task, n = task_of(name).take(labels, seed=seed), updates(labels)
    # nothing to choose a checkpoint by
    task = replace(task, splits=type(task.splits)({s: task.splits[s] for s in ("train", "test")}))
    model = load_model(folder, task=task, random=random, seed=seed)
    model = fine_tune_model(
        model,
        task,
        seed=seed,
        epochs=math.ceil(n * 16 / labels) + 1,
        max_steps=n,
        lr=LR,
        batch_size=16,
        max_length=MAX_LENGTH,
    )
    report = evaluate_model(model, task)
    return {"accuracy": round(report["accuracy"], 4), "rows": report.rows}


def features(folder, some):
    "(texts, width): the mean of the last hidden states over the tokens of each text."
    import numpy as np
    import torch
    from transformers import AutoModel, AutoTokenizer

    read = AutoTokenizer.from_pretrained(folder)
    network = AutoModel.from_pretrained(folder).eval()
    found = []
    with torch.no_grad():
        for i in range(0, len(some), 32):
            x = read(some[i : i + 32], padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
            mask = x["attention_mask"][..., None]
            found.append(((network(**x).last_hidden_state * mask).sum(1) / mask.sum(1)).numpy())
    return np.concatenate(found)


def regressions(folder, name, arm, budgets, seeds):
    "{labels: one accuracy per seed} of logistic regression on what an arm makes of the texts."
    from ftcourse.experiments.simple import fit_vectors

    task, found = task_of(name), {}
    if arm == "frozen":
        sets = {(n, s): task.take(n, seed=s) for n in budgets for s in range(seeds)}
        known = sorted({t for few in sets.values() for t in split_texts(few, "train")})
        row_of = {t: i for i, t in enumerate(known)}
        states = features(folder, known)
        test = features(folder, split_texts(task, "test"))
    for n in budgets:
        if n > len(task.train):
            continue
        for seed in range(seeds):
            few = task.take(n, seed=seed)
            train, scored = split_texts(few, "train"), split_texts(few, "test")
            y, true = few.label_ids("train"), few.label_ids("test")
            if arm == "frozen":
                outputs = fit_vectors(states[[row_of[t] for t in train]], y, "classify", len(few.labels))
                accuracy = float((outputs(test).argmax(1) == true).mean())
            else:
                accuracy = float(bag_of_words(C).fit(train, y).score(scored, true))
            found.setdefault(str(n), []).append(round(accuracy, 4))
    return {"scores": found, "rows": len(task.test)}


def measured(folder, arm, known):
    "{task: {labels: scores}} and costs of an arm; what is not there under `--known` is left out."
    kept, found, (budgets, seeds) = Kept("real_budgets"), {}, PLAN[arm]
    for name in TASKS:
        base, scores = f"{ENCODER.sha256[:12]} {name} {arm} {(LR, C, MAX_LENGTH)} {installed('torch')}", {}
        if arm in ("bag of words", "frozen"):
            key = f"{base} {budgets} {seeds}" + f" {FROZEN}" * (arm == "frozen")
            if not known and key not in kept:
                kept[key] = alone(regressions, str(folder), name, arm, budgets, seeds)
            if key in kept:
                found[name] = kept[key]
        else:
            for n in budgets:
                for seed in range(seeds):
                    key = f"{base} {updates(n)} {n} {seed}"
                    if not known and key not in kept:
                        kept[key] = alone(fine_tuned, str(folder), name, n, seed, arm == "random start")
                    if key in kept:
                        scores.setdefault(str(n), []).append(kept[key])
            if scores:
                found[name] = {
                    "scores": {n: [r["accuracy"] for r in runs] for n, runs in scores.items()},
                    "rows": next(iter(scores.values()))[0]["rows"],
                    "seconds_by_labels": {
                        n: round(statistics.mean(r["cpu_seconds"] for r in runs)) for n, runs in scores.items()
                    },
                    "peak_mib": max(r["peak_mib"] for runs in scores.values() for r in runs),
                }
        if name in found:
            print(f"{time.strftime('%H:%M')} {arm:<13} {name:<10} {found[name]['scores']}", flush=True)
    return found


def written(record):
    "The record as Markdown: a table per task, a line per arm and number of labels."
    from ftcourse.metrics.intervals import mean_interval

    parts = [
        "# Labels that real tasks need",
        f"`make real`. {described(record['machine'])}",
        __doc__.split("\n\n")[1].replace("\n", " "),
    ]
    for name, about in TASKS.items():
        rows = []
        for arm, found in record["arms"].items():
            for n, scores in found.get(name, {"scores": {}})["scores"].items():
                mean, low, high = mean_interval(scores)
                rows.append(
                    {
                        "arm": arm,
                        "labels": n,
                        "seeds": len(scores),
                        "accuracy": mean,
                        "95% over seeds": (low, high) if len(scores) > 1 else "",
                        "CPU seconds": found[name].get("seconds_by_labels", {}).get(n, ""),
                    }
                )
        if rows:
            parts += [
                f"## {name}: {about}",
                f"{max(f[name]['rows'] for f in record['arms'].values() if name in f):,} test rows.",
                table(rows),
            ]
    if record.get("frozen") != FROZEN:
        parts.append(OLD_FROZEN)
    parts.append(
        "Where an interval reaches beyond 1, that is Student's t with few seeds, which does not know that accuracy "
        "ends there."
    )
    return "\n\n".join(parts + [f"Skipped: {reason}." for reason in record["skipped"]])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--frozen", metavar=("TASK", "LABELS", "SEEDS"), nargs=3, help="print that arm, write nothing")
    p.add_argument("--known", action="store_true", help="measure nothing, write what earlier runs found")
    p.add_argument("--fresh", action="store_true", help="forget earlier runs")
    args = p.parse_args()
    threads = threads_from(args)
    warnings.filterwarnings("ignore")
    if args.frozen:
        name, labels, seeds = args.frozen
        print(alone(regressions, str(find(ENCODER)), name, "frozen", (int(labels),), int(seeds)))
        return
    if args.fresh:
        Kept("real_budgets").file.unlink(missing_ok=True)
    record = {"machine": machine(threads), "arms": {}, "skipped": [], "frozen": FROZEN}
    try:
        folder, _ = find(ENCODER), [task_of(name) for name in TASKS]
        for arm in PLAN:
            record["arms"][arm] = measured(folder, arm, args.known)
    except Absent as e:
        record["skipped"].append(str(e))
        print(f"  skipped: {e}")
    print(written(record))
    if record["arms"]:
        save("real_budgets", record, written(record))


if __name__ == "__main__":
    main()
