"""Runs with few labels that several measurements share: `make real`, `make box`, `make regret`.

A run is a model, a task, a number of labels, a seed and an arm. What was run once is kept in the cache folder, and
serves all three pages. A seed draws other rows (of each class as many as its share), another head and another order.
Real tasks are scored on their official test rows (of SST-2, the dev rows), at most 1,000 of them, the same for all;
built-in ones on 500 rows made with the seed. Nothing is selected on what is scored.
"""

import statistics
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context

from common import Runs, drawn, installed, recipe, stamp
from real import ENCODER, find
from tasks import task_of

from ftcourse.experiments.baselines import bag_of_words, split_texts

REAL = {
    "glue:sst2": "sentiment of film reviews, the official dev",
    "trec": "six kinds of question, the official test",
    "ag-news": "four kinds of news, 1,000 rows of the official test",
}
BUILT_IN = ("reviews", "topics", "pairs")
GRID = ("half the rate", "twice the rate", "half the updates", "twice the updates", "the other start")
TRAINED = ("defaults", "random weights", "lora", *GRID)
SIMPLE = ("bag of words", "frozen")
BUILT_IN_ROWS, MOST_ROWS = 500, 1000


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
    "So many labels to train on, and the rows to score."
    if name in BUILT_IN:
        return drawn(name, labels, "test", BUILT_IN_ROWS, seed)
    task = task_of(name)
    test = task.test.shuffle(seed=0).select(range(min(MOST_ROWS, len(task.test))))
    return replace(task, splits=type(task.splits)(train=task.train, test=test)).take(labels, seed=seed)


def changes(arm, model, task, seed):
    "What an arm changes of the defaults, as keywords of `fine_tune_model`."
    from ftcourse.core.hparams import HyperParams
    from ftcourse.recipes import set_up

    if arm == "lora":
        return {"train": "lora-8"}
    if arm not in GRID:
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
    """SetFit (Tunstall et al. 2022) with its own defaults, in batches of 16; above 32 labels 100 updates.

    Its accuracy, and the CPU seconds of training.
    """
    import numpy as np
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    rows = Dataset.from_dict({"text": split_texts(task, "train"), "label": task.label_ids("train").tolist()})
    model = SetFitModel.from_pretrained(folder, device="cpu")
    with tempfile.TemporaryDirectory() as place:
        args = TrainingArguments(
            output_dir=place, batch_size=16, num_epochs=1, max_steps=-1 if len(rows) <= 32 else 100, seed=seed,
            save_strategy="no", report_to="none", show_progress_bar=False,
        )  # fmt: skip
        trainer = Trainer(model=model, args=args, train_dataset=rows)
        began = time.process_time()
        trainer.train()
        seconds = time.process_time() - began
    said = np.asarray(model.predict(split_texts(task, "test"), batch_size=64, show_progress_bar=False))
    return {"score": float((said == task.label_ids("test")).mean()), "seconds": seconds}


def one(job):
    "One run -> its accuracy, and the CPU seconds of training (of the simple arms, of all)."
    from ftcourse import evaluate_model, fine_tune_model, load_model
    from ftcourse.core.machine import set_threads

    set_threads(1)
    warnings.simplefilter("ignore")
    folder, task = folder_of(job.model), rows_of(job.task, job.labels, job.seed)
    began = time.process_time()
    if job.arm == "SetFit":
        return setfit(folder, task, job.seed)
    if job.arm in TRAINED:
        start = folder
        if job.arm == "random weights":
            start = load_model(folder, task=task, random=True, seed=job.seed)
        change = changes(job.arm, folder, task, job.seed)
        began = time.process_time()
        model = fine_tune_model(start, task, seed=job.seed, **change)
        seconds = time.process_time() - began
        report = evaluate_model(model, task)
        return {"score": report["accuracy"], "seconds": seconds, "updates": len(model.history.steps)}
    if job.arm == "bag of words":
        bag = bag_of_words().fit(split_texts(task, "train"), task.label_ids("train"))
        score = float(bag.score(split_texts(task, "test"), task.label_ids("test")))
    else:
        score = frozen(folder, task, job.seed)
    return {"score": score, "seconds": time.process_time() - began}


def key(job):
    "What a run stands on: its model's files, the recipe, the packages."
    if job.arm == "bag of words":
        return f"{job.task} {job.labels} {job.seed} {job.arm} {installed('scikit-learn')}"
    packages = [installed(p) for p in ("torch", *["setfit"] * (job.arm == "SetFit"))]
    code = recipe() if job.arm in TRAINED else ""
    return f"{job} {stamp(folder_of(job.model))} {packages} {code}".strip()


def make_runs(what, jobs, args):
    "{job: result}; `args` has `workers`, `fresh` (repeat what is known) and `known` (run nothing)."
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        done = Runs("few_labels", one, key, pool, args.fresh)
        done.make(what, jobs, lambda job, r: f"{time.strftime('%H:%M')} {job} {r['score']:.3f}", 10, args.known)
    return done


def options(parser):
    "The command-line options that every page has."
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="repeat runs that were made before")
    parser.add_argument("--known", action="store_true", help="write what there is, run nothing")


def scores(done, model, task, labels, arm):
    "Accuracies by seed."
    found = {j.seed: r for j, r in done.items() if (j.model, j.task, j.labels, j.arm) == (model, task, labels, arm)}
    return [found[seed]["score"] for seed in sorted(found)]


def mean(runs, what="score"):
    return statistics.mean(r[what] for r in runs)


def met(good):
    return "met" if good else "**not met**"
