"""How many labels a task needs: part of `make claims`.

Writes ftcourse/assets/budgets.json, which lesson 16 draws.

For each task, arm and number of labels, five runs: each has a pool of training rows, a test draw, a head and an order
of its own, and its smaller sets of labels lie inside its larger ones. All networks get the same updates for the same
labels, round(14 √n), and a learning rate chosen for the task and the arm at 32 and at 512 labels, on a validation draw
that is used for nothing else; the last weights are scored. The bag of words chooses how far it trusts single words in
the same way. Then the same for networks of other sizes, and for networks that were pretrained on other parts of the
world.

About an hour of CPU time in two processes of one thread each; a run that was made before with the same weights is not
repeated (`--fresh` repeats it). `--only pretraining`, `--only curves`, `--only variants` make a part; `--quick` tries
it.
"""

import argparse
import contextlib
import hashlib
import io
import json
import math
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from common import Runs, alone, drawn, machine, stamp, threads_from

from ftcourse.core.files import write_atomic
from ftcourse.experiments.baselines import bag_of_words, split_texts
from ftcourse.experiments.label_curves import BATCH, updates  # the recipe of lesson 16's own curves

TASKS, SEEDS, TUNING = ("topics", "reviews", "reviews-negation", "pairs"), 5, 900
LABELS, MORE = (8, 16, 32, 64, 128, 256, 512), (1024, 2048)  # more where pretraining is what is being made up for
RATES = {
    "pretrained": (2e-4, 5e-4, 1e-3),
    "frozen": (5e-4, 2e-3, 8e-3),
    "random": (2e-4, 5e-4, 1e-3),
    "bag of words": (1.0, 10.0, 100.0),
}
TUNED_AT = (32, 512)  # the rate of fewer than 128 labels, and of 128 and more
TEST_ROWS, POOL = 600, 2048
SIZES = {"1×64": (1, 64), "2×128": (2, 128), "4×128": (4, 128)}  # layers × width
STEPS, FEW = 6_000, (8, 32, 128)  # updates of each pretraining of its own, and the labels that are tried after it
HALVES = ("restaurant", "hotel", "film", "book"), ("phone", "car", "concert", "museum")
RELATED = {  # name: (what was read, its topics, its shares of reviews and of facts)
    "all topics": ("reviews, facts and talk on all eight topics", HALVES[0] + HALVES[1], (0.65, 0.20)),
    "the same topics": ("the same, on the four topics of the task only", HALVES[1], (0.65, 0.20)),
    "other topics": ("the same, on the four other topics only", HALVES[0], (0.65, 0.20)),
    "no opinions": ("facts and talk on all eight topics, no review", HALVES[0] + HALVES[1], (0.0, 0.50)),
}


@dataclass(frozen=True)
class Job:
    task: str
    arm: str
    labels: int
    rate: float
    seed: int
    split: str = "test"  # that is scored: "validation" when rates are chosen, "test" when they are measured
    weights: str = "tiny-bert"
    topics: tuple = ()  # of the task's rows; none: all


# ------------------------------------------------------------------ one run
def world_of(topics):
    "From now on this process writes about these topics only."
    from ftcourse.data.world import generator as world

    if topics:
        world.TOPICS = tuple(topics)


def score(job):
    "One run -> (accuracy on rows that it has not seen, CPU seconds of its training)."
    from ftcourse.core.machine import set_threads

    set_threads(1)
    warnings.filterwarnings("ignore")
    world_of(job.topics)
    task = drawn(job.task, max(POOL, job.labels), job.split, TEST_ROWS, job.seed).take(job.labels, seed=job.seed)
    run = counted_words if job.arm == "bag of words" else tuned
    with contextlib.redirect_stdout(io.StringIO()):
        return run(task, job)


def tuned(task, job):
    from ftcourse import evaluate_model, fine_tune_model, load_model

    model = load_model(job.weights, task=task, random=job.arm == "random", seed=job.seed)
    start, n = time.process_time(), updates(job.labels)
    part = "head" if job.arm == "frozen" else "full"
    model = fine_tune_model(
        model,
        task,
        seed=job.seed,
        epochs=math.ceil(n * BATCH / job.labels) + 1,
        max_steps=n,
        lr=job.rate,
        batch_size=BATCH,
        train=part,
    )
    spent = time.process_time() - start
    return round(evaluate_model(model, task)["accuracy"], 4), round(spent, 2)


def counted_words(task, job):
    "TF-IDF of words and pairs of neighbours, and logistic regression; the texts of a pair one after the other."
    start = time.process_time()
    bag = bag_of_words(job.rate, job.seed).fit(split_texts(task, "train"), task.label_ids("train"))
    accuracy = float(bag.score(split_texts(task, "test"), task.label_ids("test")))
    return round(accuracy, 4), round(time.process_time() - start, 2)


# ------------------------------------------------------------------ pretraining of other sizes, and on other text
def pretrained(layers, hidden, topics, mix, steps, folder):
    "Make a network as `make assets` does, in one stage; its folder, CPU seconds and probe are written beside it."
    from ftcourse.core.machine import set_threads
    from ftcourse.experiments import tiny_models as pretrain
    from ftcourse.models.pretraining import objectives

    set_threads(1)
    world_of(topics)
    from ftcourse.data.world.generator import documents

    def mixed(n, seed=0, mix=mix):
        return documents(n, seed, mix)

    objectives.documents = pretrain.documents = mixed  # this process reads other text
    pretrain.PLANS["tiny-bert"] = pretrain.PLANS["tiny-bert"] | dict(layers=layers, hidden=hidden)
    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        network, tokenizer, log = pretrain.pretrain("tiny-bert", steps, every=max(1, steps // 4))
    about = {
        "layers": layers,
        "hidden": hidden,
        "parameters": sum(p.numel() for p in network.parameters()),
        "pretraining_seconds": round(time.process_time() - start),
        "tokens": log[-1]["tokens"],
        "probe": log[-1]["probe"],
        "steps": steps,
    }
    network.config.hidden_dropout_prob = 0.1  # for fine-tuning, as in the shipped model
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (Path(folder) / "about.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
    return about


def variants(steps):
    "{name: (folder, what `pretrained` takes)}; the middle size is the network that read everything."
    from ftcourse.core.settings import cache_folder

    _, *everything = RELATED["all topics"]
    plan = {f"size {name}": (*shape, *everything) for name, shape in SIZES.items()}
    plan |= {name: (2, 128, topics, mix) for name, (_, topics, mix) in RELATED.items() if name != "all topics"}
    made_of = f"{steps}-{recipe_stamp()}"
    found = {}
    for name, what in plan.items():
        plain = name.replace(" ", "-").replace("×", "x")
        found[name] = (cache_folder() / "budgets" / f"{plain}-{made_of}", what)
    return found


def made(workers, steps, fresh):
    todo = {
        name: (folder, what)
        for name, (folder, what) in variants(steps).items()
        if fresh or not (folder / "about.json").exists()
    }
    print(f"pretraining: {len(todo)} networks, {len(variants(steps)) - len(todo)} known", flush=True)
    with ThreadPoolExecutor(workers) as two:  # each in a process of its own, whose world it changes
        running = {
            name: two.submit(alone, pretrained, *what, steps, str(folder)) for name, (folder, what) in todo.items()
        }
        for name, future in running.items():
            print(f"  {name}: {future.result()}", flush=True)
    return {
        name: json.loads((folder / "about.json").read_text(encoding="utf-8")) | {"folder": str(folder)}
        for name, (folder, _) in variants(steps).items()
    }


# ------------------------------------------------------------------ all runs
def key(job):
    return f"{job} {stamp(job.weights, job.arm)}"


def shown(job, result):
    return f"{job.task:<18} {job.arm:<12} {job.labels:>5} labels, seed {job.seed}: {result[0]:.3f}"


def recipe_stamp():
    "Hash of what a pretraining of its own stands on."
    from ftcourse.core.settings import assets

    files = (assets() / "world.toml", assets() / "tiny-bert" / "tokenizer.json")
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:8]


def chosen_rates(done, pairs, labels, **more):
    "{(task, arm): {labels: rate}}: the best of three on a validation draw, at few labels and at many."
    at = [n for n in TUNED_AT if n <= max(labels)] or TUNED_AT[:1]
    tries = {(t, a, n): [Job(t, a, n, r, TUNING, "validation", **more) for r in RATES[a]] for t, a in pairs for n in at}
    done.make("choosing rates", [j for js in tries.values() for j in js], shown, every=20)
    best = {key: max(js, key=lambda j: done[j][0]).rate for key, js in tries.items()}
    return {(t, a): {n: best[t, a, at[0] if n < 128 else at[-1]] for n in labels} for t, a in pairs}


def curves(done, tasks, labels, seeds):
    from ftcourse.data.world.generator import BUILT_IN

    pairs = [(t, a) for t in tasks for a in RATES]

    def tried(t, a):
        more = len(labels) > 2 and a in ("random", "bag of words") and t in TASKS[:2]
        return labels + MORE if more else labels

    rates = chosen_rates(done, pairs, labels + MORE)
    jobs = {
        (t, a, n): [Job(t, a, n, rates[t, a][n], seed) for seed in range(seeds)]
        for n in labels + MORE
        for t, a in pairs
        if n in tried(t, a)
    }
    done.make("curves", [j for js in jobs.values() for j in js], shown, every=20)

    def point(t, a, n):
        rate = rates[t, a][n]
        scores, seconds = zip(*(done[j] for j in jobs[t, a, n]))
        return {"scores": list(scores), "seconds": list(seconds)} | (
            {"C": rate} if a == "bag of words" else {"updates": updates(n), "lr": rate}
        )

    return {
        t: {
            "chance": round(1 / len(BUILT_IN[t].labels), 4),
            "arms": {a: {str(n): point(t, a, n) for n in tried(t, a)} for a in RATES},
        }
        for t in tasks
    }


def after(done, weights, arms, labels, seeds, topics=()):
    "Of each arm on reviews, from given weights: {labels: scores}, and the CPU seconds of its runs; two dicts by arm."
    rates = chosen_rates(done, [("reviews", a) for a in arms], labels, weights=weights, topics=topics)
    jobs = {
        (a, n): [
            Job("reviews", a, n, rates["reviews", a][n], seed, weights=weights, topics=topics) for seed in range(seeds)
        ]
        for a in arms
        for n in labels
    }
    done.make(Path(weights).name, [j for js in jobs.values() for j in js], shown, every=20)
    scores = {a: {str(n): [done[j][0] for j in jobs[a, n]] for n in labels} for a in arms}
    return scores, {a: round(sum(done[j][1] for n in labels for j in jobs[a, n]), 1) for a in arms}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        "--only",
        choices=("pretraining", "curves", "variants"),
        help="a part; nothing is written but what later runs reuse",
    )
    p.add_argument(
        "--quick", action="store_true", help="one seed, few labels, short pretraining, nothing written: does it run?"
    )
    p.add_argument("--fresh", action="store_true", help="repeat runs that were made before")
    p.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    args = p.parse_args()
    args.threads = 1
    threads_from(args)
    from ftcourse.core.settings import assets

    seeds, labels, steps, few, tasks = SEEDS, LABELS, STEPS, FEW, TASKS
    if args.quick:
        seeds, labels, steps, few, tasks = 1, LABELS[:2], 40, FEW[:1], TASKS[1:2]
    record = {"made by": "make claims (measure/budgets.py)"} | machine(1)
    record |= {
        "weights": stamp("tiny-bert", "pretrained"),
        "seeds": seeds,
        "labels": list(labels),
        "more": list(MORE),
        "test_rows": TEST_ROWS,
    }
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        done = Runs("budgets", score, key, pool, args.fresh)
        if args.only != "curves":
            networks = made(args.workers, steps, args.fresh)
        if args.only == "pretraining":
            return
        if args.only != "variants":
            record["tasks"] = curves(done, tasks, labels, seeds)
        if args.only == "curves":
            return
        keys = ("layers", "hidden", "parameters", "pretraining_seconds", "tokens", "probe", "steps")
        folder = {name: about["folder"] for name, about in networks.items()}
        sized = {name: after(done, folder[f"size {name}"], ("pretrained", "random"), few, seeds) for name in SIZES}
        record["sizes"] = {
            name: {k: networks[f"size {name}"][k] for k in keys} | dict(zip(("scores", "seconds"), sized[name]))
            for name in SIZES
        }
        record["related"] = {}
        # its processes write about four topics only
        with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as half:
            done.pool = half
            for name, (about, _, _) in RELATED.items():
                start = "size 2×128" if name == "all topics" else name
                read = {k: networks[start][k] for k in ("probe", "pretraining_seconds")}
                scores, seconds = after(done, folder[start], ("pretrained",), few, seeds, HALVES[1])
                found = {"scores": scores["pretrained"], "seconds": seconds["pretrained"]}
                record["related"][name] = {"about": about} | read | found
            scores, seconds = after(done, folder["size 2×128"], ("random",), few, seeds, HALVES[1])
        nothing = {"about": "random weights", "scores": scores["random"], "seconds": seconds["random"]}
        record["related"]["nothing"] = nothing
    if args.only or args.quick:
        return print(json.dumps(record, indent=1)[:3000])
    log = json.loads((assets() / "tiny-bert" / "log.json").read_text(encoding="utf-8"))
    record["pretraining"] = {k: log[-1][k] for k in ("seconds", "tokens", "step")}
    file = assets() / "budgets.json"
    write_atomic(file, json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n")
    print(f"wrote {file}")


if __name__ == "__main__":
    main()
