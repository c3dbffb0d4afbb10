"""Predicting with this build, an earlier one, and transformers' pipeline: a part of `make bench`.

CPU seconds of `predict` and of `evaluate_model` on texts of mixed lengths in memory, tokenising included, against
transformers' text-classification pipeline on the same saved model; each arm is a process of its own, and they take
turns. The pipeline has the fastest of its batch sizes, once with the texts as they come, once sorted by length
beforehand.
"""

import json
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from common import networks, product_share, products_said, real_texts, table, verdict, word_pieces
from loading import BEFORE, ROOT, earlier_build

AIMS = {"tiny": 3.0, "22M": 2.2}  # times the pipeline
AIMS_BEFORE = {"tiny": 1.1, "22M": 2.0}  # times the earlier build
TEXTS = {"tiny": 2000, "22M": 300}
ROUNDS, BATCH_SIZES, MAX_LENGTH = 5, (1, 8, 16, 32, 64, 128), 128
CLOSE = 1e-5  # largest difference of a probability


# ------------------------------------------------------------------ the process of an arm
def ours(folder, texts, labels):
    "What is asked of `ftcourse`: {name: function}; outputs of each."
    from ftcourse import evaluate_model, load_model, load_task
    from ftcourse.data.encode.texts import encode_texts

    model = load_model(folder)
    rows = [{"text": text, "label": label} for text, label in zip(texts, labels)]
    task = load_task(rows, text="text", label="label", split="test", labels=model.labels)
    return {
        "predict": lambda: model.predict(texts),
        "evaluate": lambda: evaluate_model(model, task)["accuracy"],
        "tokenise": lambda: len(encode_texts(texts, model.tokenizer, MAX_LENGTH)),
        "probabilities": lambda: model.probabilities(texts).max(1).tolist(),
    }


def pipelines(folder, texts, labels):
    "The same of transformers, for every batch size, with and without sorting."
    from transformers import pipeline

    pipe = pipeline("text-classification", model=folder, tokenizer=folder, device=-1)
    options = dict(truncation=True, max_length=MAX_LENGTH)

    def plain(size):
        return pipe(texts, batch_size=size, **options)

    def by_length(size):
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        found = [None] * len(texts)
        for i, said in zip(order, pipe([texts[i] for i in order], batch_size=size, **options)):
            found[i] = said
        return found

    return {f"{f.__name__} {size}": lambda f=f, size=size: f(size) for f in (plain, by_length) for size in BATCH_SIZES}


def worker(arm):
    """Answers each line of its input, JSON of (folder, file of texts, how many, what), with what was said and the CPU
    seconds of it; where the line has a fifth part, with the share of matrix products in it.
    """
    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    made, answers = {}, os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what is printed on the way is no answer
    for line in sys.stdin:
        folder, file, n, what, *profiled = json.loads(line)
        if (folder, file, n) not in made:
            texts, labels = json.loads(Path(file).read_text(encoding="utf-8"))
            make = pipelines if arm == "pipeline" else ours
            made[folder, file, n] = make(folder, texts[:n], labels[:n])
        busy = time.process_time()
        run = made[folder, file, n][what]
        said = product_share(run) if profiled else run()
        busy = time.process_time() - busy
        print(json.dumps({"cpu": busy, "said": said}), file=answers, flush=True)


class Workers:
    "A process for each arm: {arm: build}."

    def __init__(self, stack, builds):
        self.processes = {}
        for arm, build in builds.items():
            command = [sys.executable, __file__, arm]
            env = os.environ | {"PYTHONPATH": str(build)}
            pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            self.processes[arm] = subprocess.Popen(command, env=env, **pipes)
            stack.callback(self.processes[arm].wait)
            stack.callback(self.processes[arm].stdin.close)

    def ask(self, folder, file, n, arm, what, *profiled):
        p = self.processes[arm]
        print(json.dumps((folder, file, n, what, *profiled)), file=p.stdin, flush=True)
        return json.loads(p.stdout.readline())


# ------------------------------------------------------------------ what is asked
def generated(words, n):
    "Texts of such words, of the lengths that the loop is measured with."
    draw = random.Random(0)
    lengths = (min(max(round(draw.lognormvariate(math.log(22), 0.5)), 6), 64) - 2 for _ in range(n))
    return [" ".join(draw.choices(words, k=k)) for k in lengths]


def cases(folder):
    "Saved models and files of texts: (model, texts, folder, file, number of texts)."
    from real import ENCODER, Absent, find

    from ftcourse import load_model

    tiny, large = networks("tiny"), networks("22M")
    known = sorted(w for w in tiny.tokenizer.get_vocab() if w.isalpha() and len(w) > 2)
    found = [("tiny", "generated", tiny, known), ("22M", "generated", large, [f"w{i}" for i in range(5, 30522)])]
    if real_texts():
        found.append(("tiny", "real", tiny, None))
        try:
            minilm = load_model(find(ENCODER), head="classify", labels=["left", "right"], seed=0)
            found.append(("22M", "real, MiniLM", minilm, None))
        except Absent:
            if word_pieces():
                found.append(("22M", "real", networks("22M", word_pieces()), None))
    for i, (name, kind, model, words) in enumerate(found):
        texts = (generated(words, TEXTS[name]) if words else real_texts())[: TEXTS[name]]
        labels = random.Random(1).choices(model.labels, k=len(texts))
        file = Path(folder) / f"{i}.json"
        file.write_text(json.dumps([texts, labels]), encoding="utf-8")
        yield name, kind, str(model.save(Path(folder) / f"model{i}")), str(file), len(texts)


def predict(quick=False):
    "All arms on each model and each kind of text -> a record for each."
    found = []
    with ExitStack() as stack:
        before, folder = (stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(2))
        earlier_build(before)
        workers = Workers(stack, {"now": ROOT, "before": before, "pipeline": ROOT})
        for name, kind, model, file, n in cases(folder):
            if quick and kind != "generated":
                continue
            n = n // 16 if quick else n
            ask = partial(workers.ask, model, file, n)
            some = partial(workers.ask, model, file, max(n // 4, 32), "pipeline")
            some("plain 16")  # what is done once is not counted
            sizes = BATCH_SIZES[3:4] if quick else BATCH_SIZES
            best = {
                how: min((some(f"{how} {size}")["cpu"], size) for size in sizes)[1] for how in ("plain", "by_length")
            }
            arms = {
                "predict": ("now", "predict"),
                "evaluate": ("now", "evaluate"),
                "predict before": ("before", "predict"),
                "evaluate before": ("before", "evaluate"),
                "pipeline": ("pipeline", f"plain {best['plain']}"),
                "pipeline sorted": ("pipeline", f"by_length {best['by_length']}"),
            }
            cpu, said = {arm: [] for arm in arms}, {}
            for r in range(2 if quick else ROUNDS + 1):
                for arm, call in arms.items():
                    answer = ask(*call)
                    said[arm] = answer["said"]
                    if r:  # round 0 warms up and is forgotten
                        cpu[arm].append(round(answer["cpu"], 4))
            p = {arm: ask(arm, "probabilities")["said"] for arm in ("now", "before")}
            for arm in ("pipeline", "pipeline sorted"):
                p[arm] = [x["score"] for x in said[arm]]
                said[arm] = [x["label"] for x in said[arm]]
            products = {arm: ask(*arms[arm], "profile")["said"] for arm in ("predict", "pipeline", "pipeline sorted")}
            tokenising = min(ask("now", "tokenise")["cpu"] for _ in range(3)) / min(cpu["predict"])
            line = {
                "model": name,
                "texts": kind,
                "rows": n,
                "batch_sizes": best,
                "cpu": cpu,
                "ratio": {arm: compared(cpu, arm) for arm in ("predict", "evaluate")},
                "products": products,
                "tokenising": round(tokenising, 3),
                "other_labels": {
                    arm: sum(a != b for a, b in zip(said["predict"], said[arm]))
                    for arm in ("predict before", "pipeline", "pipeline sorted")
                },
                "probability_gap": max(abs(a - b) for q in p.values() for a, b in zip(p["now"], q)),
                "accuracies": [said["evaluate"], said["evaluate before"]],
            }
            print(f"  predict, {name}, {kind} texts: {line['ratio']}", flush=True)
            found.append(line)
    return found


def compared(cpu, arm):
    "How many times faster an arm of ours is: by its calmest round, and in the median of the rounds."
    ratio = {}
    for other in ("pipeline", "pipeline sorted", f"{arm} before"):
        ratio[other.removeprefix(f"{arm} ")] = {
            "calmest": round(min(cpu[other]) / min(cpu[arm]), 2),
            "median": round(statistics.median(b / a for a, b in zip(cpu[arm], cpu[other])), 2),
        }
    return ratio


def same(line):
    "Whether all arms say the same."
    return (
        not any(line["other_labels"].values())
        and line["probability_gap"] <= CLOSE
        and line["accuracies"][0] == line["accuracies"][1]
    )


def missed(line):
    "Whether an aim is missed in one of the ways to measure it."
    aim, before = AIMS[line["model"]], AIMS_BEFORE[line["model"]]
    ratios = line["ratio"].values()
    slow = any(r[other]["calmest"] < aim for r in ratios for other in ("pipeline", "pipeline sorted"))
    return slow or any(r["before"]["calmest"] < before for r in ratios)


def why(line):
    "What the profile shows."
    mine, ratio = line["products"]["predict"], line["ratio"]["predict"]
    said = [
        products_said(mine, line["products"][arm], ratio[arm]["calmest"], title)
        for arm, title in (("pipeline", "pipeline"), ("pipeline sorted", "sorted pipeline"))
    ]
    return (
        f"Why, {line['model']}, {line['texts']} texts: {'; '.join(said)}. Tokenising takes {line['tokenising']:.0%} of "
        "our time."
    )


def predict_written(found):
    "The records as Markdown."
    rows, said = [], []
    for x in found:
        for arm, ratio in x["ratio"].items():
            rows.append(
                {
                    "model": x["model"],
                    "texts": f"{x['rows']:,} {x['texts']}",
                    "": arm,
                    "texts per CPU-second": f"{x['rows'] / min(x['cpu'][arm]):.0f}",
                }
                | {f"÷ {other}": f"{r['calmest']:.2f} ({r['median']:.2f})" for other, r in ratio.items()}
            )
    for name, aim in AIMS.items():
        of = [ratio for x in found if x["model"] == name for ratio in x["ratio"].values()]
        least = {other: min(r[other]["calmest"] for r in of) for other in of[0]}
        before = AIMS_BEFORE[name]
        said.append(
            f"{name}: aim {aim} times the pipeline {verdict(least['pipeline'] >= aim)} with the texts as they come "
            f"({least['pipeline']:.2f} at least), {verdict(least['pipeline sorted'] >= aim)} with sorted ones "
            f"({least['pipeline sorted']:.2f}); aim {before} times {BEFORE} {verdict(least['before'] >= before)} "
            f"({least['before']:.2f})."
        )
        said += [why(x) for x in found if x["model"] == name and missed(x)]
    sizes = "; ".join(
        f"{x['model']}, {x['texts']}: {x['batch_sizes']['plain']}, sorted {x['batch_sizes']['by_length']}"
        for x in found
    )
    return [
        "## Predicting",
        re.sub(r"\s+", " ", __doc__.split("\n\n")[1]).strip() + f" {len(found[0]['cpu']['predict'])} rounds: the "
        f"calmest of each arm, in brackets the median of the rounds; before is {BEFORE}. The pipeline's batch "
        f"sizes ({sizes}).",
        table(rows),
        *said,
        f"Labels, probabilities (within {CLOSE:.0e}) and accuracies "
        f"{'are the same' if all(map(same, found)) else '**differ**'}: the largest difference of a probability is "
        f"{max(x['probability_gap'] for x in found):.0e}.",
    ]


if __name__ == "__main__":
    worker(sys.argv[1])
