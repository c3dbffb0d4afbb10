"""What the defaults cost against the best of a small grid, and against simpler and other recipes: `make regret`.

Writes measure/regret.md and measure/regret.json.

A cell is a model, a task and a number of labels. In each, `fine_tune_model` runs with no argument but the seed, and
again with one choice changed: half and twice the rate, half and twice the updates, the other start of the head. Regret
is the mean score of the best of these arms minus that of the defaults. The best is picked on the test rows that are
scored, out of six means that each have noise, so regret is overstated: it is above zero even where all arms are equally
good. Beside them on the same labels stand TF-IDF with logistic regression (C = 10), logistic regression on the frozen
vectors of the same model (C by five-fold cross-validation where each class has five rows, else 2/n), and SetFit with
its own defaults where the package is installed (`pip install setfit`). A seed draws other rows, another head, another
order. A run that was made before is not repeated (`--fresh` repeats it); `--known` writes what there is.
"""

import argparse
import statistics
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from multiprocessing import get_context

from common import Runs, described, drawn, installed, machine, save, stamp, table, threads_from
from real import ENCODER, Absent, find
from tasks import task_of

from ftcourse.experiments.baselines import bag_of_words, split_texts

REAL = ("glue:sst2", "trec", "ag-news")
BUILT_IN = ("reviews", "topics", "pairs")
PLAN = [  # model, tasks, labels, seeds
    ("tiny-bert", BUILT_IN, (32, 128, 512), 5),
    ("mini-bert", (*REAL, "reviews"), (32, 128, 512), 5),
    ("tiny-gpt", ("reviews", "topics"), (32, 128, 512), 5),
    ("teacher", REAL, (32, 128, 512), 5),
]
GRID = ("half the rate", "twice the rate", "half the updates", "twice the updates", "the other start")
AIM_MEAN, AIM_WORST, ROWS = 0.02, 0.05, 500


@dataclass(frozen=True)
class Job:
    model: str
    task: str
    labels: int
    seed: int
    arm: str


@cache
def folder_of(model):
    return str(find(ENCODER)) if model == "teacher" else model


@cache
def rows_of(name, labels, seed):
    "So many labels to train on, and 500 rows to score."
    if name in BUILT_IN:
        return drawn(name, labels, "test", ROWS, seed)
    task = task_of(name)
    test = task.test.shuffle(seed=0).select(range(min(ROWS, len(task.test))))
    return replace(task, splits=type(task.splits)(train=task.train, test=test)).take(labels, seed=seed)


def changes(arm, model, task, seed):
    "What an arm changes of the defaults, as keywords of `fine_tune_model`."
    from ftcourse.core.hparams import HyperParams
    from ftcourse.recipes import set_up

    if arm == "defaults":
        return {}
    hp = set_up(model, task, HyperParams(seed=seed)).hp
    updates = hp.total_steps(len(task.train))
    rest = {"head_start": hp.head_start, "train": hp.train}  # a rate that is given would change these too
    return {
        "half the rate": {"lr": hp.lr / 2, **rest},
        "twice the rate": {"lr": hp.lr * 2, **rest},
        "half the updates": {"max_steps": updates // 2},
        "twice the updates": {"max_steps": updates * 2},
        # with the rate that suits it
        "the other start": {"head_start": "random" if hp.head_start == "regression" else "regression"},
    }[arm]


def frozen(model, task, seed):
    "Logistic regression on what the head reads of each text, before anything is trained."
    from ftcourse import load_model
    from ftcourse.data.encode.texts import encode_task
    from ftcourse.experiments.simple import fit_vectors
    from ftcourse.train.head_start import head_inputs

    loaded = load_model(model, task=task, seed=seed)
    x, test = (head_inputs(loaded, encode_task(task, s, loaded.quick_tokenizer, 128)) for s in ("train", "test"))
    said = fit_vectors(x, task.label_ids("train"), "classify", len(task.labels))(test).argmax(1)
    return float((said == task.label_ids("test")).mean())


def setfit(folder, task, seed):
    "SetFit (Tunstall et al. 2022) with its own defaults, in batches of 16; above 32 labels 100 updates."
    import numpy as np
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    rows = Dataset.from_dict({"text": split_texts(task, "train"), "label": task.label_ids("train").tolist()})
    model = SetFitModel.from_pretrained(folder, device="cpu")
    args = TrainingArguments(
        output_dir="setfit", batch_size=16, num_epochs=1, max_steps=-1 if len(rows) <= 32 else 100, seed=seed,
        save_strategy="no", report_to="none", show_progress_bar=False,
    )  # fmt: skip
    Trainer(model=model, args=args, train_dataset=rows).train()
    said = np.asarray(model.predict(split_texts(task, "test"), batch_size=64, show_progress_bar=False))
    return float((said == task.label_ids("test")).mean())


def one(job):
    "One run -> its accuracy, and the CPU seconds of training (of the simple arms, of all)."
    from ftcourse import evaluate_model, fine_tune_model
    from ftcourse.core.machine import set_threads

    set_threads(1)
    warnings.simplefilter("ignore")
    folder, task = folder_of(job.model), rows_of(job.task, job.labels, job.seed)
    began = time.process_time()
    if job.arm in ("defaults", *GRID):
        change = changes(job.arm, folder, task, job.seed)
        began = time.process_time()
        model = fine_tune_model(folder, task, seed=job.seed, **change)
        seconds = time.process_time() - began
        report = evaluate_model(model, task)
        return {"score": report["accuracy"], "seconds": seconds, "updates": len(model.history.steps)}
    if job.arm == "bag of words":
        bag = bag_of_words().fit(split_texts(task, "train"), task.label_ids("train"))
        score = float(bag.score(split_texts(task, "test"), task.label_ids("test")))
    else:
        score = {"frozen": frozen, "SetFit": setfit}[job.arm](folder, task, job.seed)
    return {"score": score, "seconds": time.process_time() - began}


def key(job):
    files = "" if job.arm == "bag of words" else stamp(folder_of(job.model))
    packages = [installed(p) for p in ("torch", *["setfit"] * (job.arm == "SetFit"))]
    return f"{job} {files} {packages}"


def jobs_of(grid_seeds):
    "Defaults and simple arms of all seeds first, so that what is cut short is the grid."
    plain, grid = [], []
    for model, tasks, labels, seeds in PLAN:
        if model == "teacher":
            try:
                folder_of(model)
            except Absent as e:
                print(f"without the teacher: {e}")
                continue
        for task in tasks:
            for n in labels:
                arms = ["defaults", "bag of words", "frozen"]
                if model == "teacher" and n <= 128 and find_spec("setfit"):
                    arms.append("SetFit")
                plain += [Job(model, task, n, seed, arm) for arm in arms for seed in range(seeds)]
                grid += [Job(model, task, n, seed, arm) for arm in GRID for seed in range(min(seeds, grid_seeds))]
    return plain + grid


def cells_of(done):
    "{(model, task, labels): {arm: [results, by seed]}}"
    found = {}
    for job in sorted(done, key=lambda j: j.seed):
        found.setdefault((job.model, job.task, job.labels), {}).setdefault(job.arm, []).append(done[job])
    return found


def mean(runs, what="score"):
    return statistics.mean(r[what] for r in runs)


def met(good):
    return "met" if good else "**not met**"


def regret(arms):
    "(regret over the seeds that all arms have, the best arm); None where an arm of the grid is missing."
    there = [arm for arm in ("defaults", *GRID) if arm in arms]
    if len(there) < 2:
        return None
    n = min(len(arms[arm]) for arm in there)
    means = {arm: mean(arms[arm][:n]) for arm in there}
    best = max(means, key=means.get)
    return means[best] - means["defaults"], best


def written(record, done):
    cells = cells_of(done)
    rows, versus, regrets, seconds = [], [], {}, []
    for (model, task, n), arms in cells.items():
        if "defaults" not in arms:
            continue
        row = {"model": model, "task": task, "labels": n, "defaults": f"{mean(arms['defaults']):.3f}"}
        runs = [r["score"] for r in arms["defaults"]]
        row["lowest–highest"] = f"{min(runs):.3f}–{max(runs):.3f}"
        for arm in ("bag of words", "frozen", "SetFit"):
            row[arm] = f"{mean(arms[arm]):.3f}" if arm in arms else ""
        if found := regret(arms):
            regrets[model, task, n] = found[0]
            row |= {"regret": f"{found[0]:.3f}", "best arm": found[1]}
        else:
            row |= {"regret": "", "best arm": ""}
        rows.append(row)
        for arm in ("bag of words", "frozen", "SetFit"):
            if arm in arms:
                k = min(len(arms[arm]), len(arms["defaults"]))
                gap = mean(arms["defaults"][:k]) - mean(arms[arm][:k])
                lows = [d["score"] - o["score"] for d, o in zip(arms["defaults"], arms[arm])]
                versus.append((arm, model, task, n, gap, min(lows)))
        if "SetFit" in arms:
            k = min(len(arms["SetFit"]), len(arms["defaults"]))
            seconds.append(mean(arms["defaults"][:k], "seconds") / mean(arms["SetFit"][:k], "seconds"))
    said = []
    if regrets:
        m, (worst, value) = statistics.mean(regrets.values()), max(regrets.items(), key=lambda x: x[1])
        said.append(
            f"Mean regret {m:.3f} over {len(regrets)} cells: aim {AIM_MEAN} {met(m <= AIM_MEAN)}. Worst {value:.3f} "
            f"({worst[0]}, {worst[1]} with {worst[2]} labels): aim {AIM_WORST} {met(value <= AIM_WORST)}."
        )
    for arm in ("bag of words", "frozen", "SetFit"):
        own = [v for v in versus if v[0] == arm]
        if own:
            good = sum(v[4] >= -0.01 for v in own)
            behind = [f"{v[1]}, {v[2]} {v[3]} ({v[4]:+.3f})" for v in own if v[4] < -0.01]
            verdict = met(good >= 0.9 * len(own))
            said.append(
                f"Against {arm}: ahead or within .01 in {good} of {len(own)} cells (aim 9 of 10 {verdict})"
                + (f"; behind in {'; '.join(behind)}" if behind else "")
                + f". Worst single run: {min(v[5] for v in own):+.3f}."
            )
    if seconds:
        said.append(
            f"CPU seconds ÷ SetFit's: {statistics.mean(seconds):.2f} on average over {len(seconds)} cells (aim .5 "
            f"{met(statistics.mean(seconds) <= 0.5)})."
        )
    seeds = {arm: max((len(c[arm]) for c in cells.values() if arm in c), default=0) for arm in ("defaults", *GRID)}
    return "\n\n".join(
        [
            "# Regret of the defaults",
            f"`make regret`. {described(record['machine'])}",
            __doc__.split("\n\n", 2)[2].strip(),
            f"Seeds: {seeds['defaults']} of the defaults, {max(seeds[a] for a in GRID)} of the grid.",
            table(rows),
            *said,
        ]
    )


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--workers", type=int, default=1)
    p.add_argument("--grid-seeds", type=int, default=5, help="seeds of the arms that change a choice")
    p.add_argument("--models", nargs="*", help="only these")
    p.add_argument("--fresh", action="store_true", help="repeat runs that were made before")
    p.add_argument("--known", action="store_true", help="write what there is, run nothing")
    o = p.parse_args()
    threads_from(o)
    jobs = [j for j in jobs_of(o.grid_seeds) if not o.models or j.model in o.models]
    with ProcessPoolExecutor(o.workers, mp_context=get_context("spawn")) as pool:
        done = Runs("regret", one, key, pool, o.fresh)
        done.make("regret", jobs, lambda job, r: f"{job} {r['score']:.3f}", every=20, only_known=o.known)
    record = {"machine": machine(o.threads)}
    record["runs"] = [[*vars(job).values(), *result.values()] for job, result in done.items()]
    save("regret", record, written(record, done))


if __name__ == "__main__":
    main()
