"""What training and predicting cost, beside the Trainer, the pipeline and an earlier build: `make bench`.

Writes measure/bench.md and measure/bench.json.

Each part is a module of its own, or a few functions here, and can be measured alone (`--only`).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import races
from cold import cold, cold_written
from common import HERE, described, machine, real_texts, save, table, threads_from, verdict, word_pieces
from lessons import lessons, lessons_written
from loading import BEFORE, earlier_build, loading, loading_written
from lowrank import lowrank, lowrank_written
from memory import memory, memory_written
from prediction import predict, predict_written
from pretraining import pretraining, pretraining_written

IMPORT_AIM = 0.1
REPORT_AIM, REPORT_ROUNDS = 10, 5  # times less CPU time
# kind, classes or labels, rows: the earlier build takes minutes for several labels of 50,000 rows
REPORTS = [
    ("classify", 2, 50_000),
    ("classify", 20, 50_000),
    ("multilabel", 10, 5_000),
    ("regress", 1, 50_000),
    ("span", 0, 50_000),
    ("lm", 0, 50_000),
]


def import_seconds():
    "Seconds of `import ftcourse` in fresh interpreters: (best, median)."
    code = """
import sys, time
began = time.perf_counter()
import ftcourse
print(time.perf_counter() - began, "torch" in sys.modules)"""
    times = []
    for _ in range(7):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds, torch_loaded = done.stdout.split()
        assert torch_loaded == "False", "import ftcourse loads torch"
        times.append(float(seconds))
    return {"best": round(min(times), 4), "median": round(statistics.median(times), 4), "loads_torch": False}


def scored_for_free(kind, k, n):
    "A stand-in Model whose outputs stand in a table, and Examples for it."
    import numpy as np
    import torch

    from ftcourse.data.encode.examples import Examples

    rng = np.random.default_rng(0)
    model = SimpleNamespace(
        kind=kind, labels=[f"l{i}" for i in range(k)], device="cpu", max_length=16, network=torch.nn.Identity()
    )
    model.quick_network, model.info = model.network, {}  # as this build calls it
    ids = rng.integers(0, 8, (n, 8)).tolist()
    labels = source = None
    if kind == "classify":
        labels = rng.integers(k, size=n)
        out = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[labels]
    elif kind == "multilabel":
        labels = (rng.random((n, k)) < 0.2).astype(np.float32)
        out = rng.normal(size=(n, k)) + 3 * labels - 1.5
    elif kind == "regress":
        labels = rng.normal(size=n)
        out = labels + rng.normal(size=n)
    elif kind == "span":
        golds = [["red fox"], ["a brown dog", "dog"], ["blue"], []]
        said = rng.choice(["red fox", "the dog", "blue sky", ""], n)
        source = [{"answers": {"text": golds[i], "answer_start": [0] * len(golds[i])}} for i in rng.integers(4, size=n)]
        labels, out = np.zeros((n, 2), int), rng.normal(size=(n, 8))
        model.window = lambda example, start, end: example.row
        model.answer = lambda windows, context: SimpleNamespace(text=str(said[windows[0]]))
    else:
        out = rng.normal(size=(n, 8, 8))
        model.network.get_output_embeddings = lambda: SimpleNamespace(weight=torch.empty(8, 1))
    out = torch.tensor(out, dtype=torch.float32)
    rows_of = lambda batch: out[torch.as_tensor(batch.index)]
    model.forward = (lambda batch: (rows_of(batch),) * 2) if kind == "span" else rows_of
    examples = Examples.from_lists(ids, labels, kind=kind)
    if kind == "span":
        examples.source, examples.columns = source, ("answers", "answers")
        examples.original = lambda i: ("", "")
    return model, examples


def report_worker():
    """Answers each line `kind k rows` on its input with the CPU seconds of `evaluate` and its printed report, the
    scores and their intervals; the build is that on PYTHONPATH.
    """
    from ftcourse.core.machine import set_threads
    from ftcourse.metrics.evaluation import evaluate

    set_threads(1)
    warnings.filterwarnings("ignore")
    made = {}
    for line in sys.stdin:
        kind, k, n = line.split()
        if line not in made:
            made[line] = scored_for_free(kind, int(k), int(n))
            str(evaluate(*scored_for_free(kind, int(k), 100)))  # what is imported once is not counted
        busy = time.process_time()
        report = evaluate(*made[line])
        str(report)
        busy = time.process_time() - busy
        ends = {name: report.interval(name) for name in report.scores}
        print(json.dumps({"cpu": busy, "scores": report.scores, "intervals": ends}), flush=True)


def reports(quick=False):
    "Evaluation and printed report in this build and in an earlier one, in turns -> a dict for each kind."
    rounds, smaller = (2, 10) if quick else (REPORT_ROUNDS, 1)
    root = Path(__file__).resolve().parents[1]
    with ExitStack() as stack:
        before = stack.enter_context(tempfile.TemporaryDirectory())
        earlier_build(before)
        workers = {}
        for arm, folder in (("before", before), ("now", root)):
            command = [sys.executable, __file__, "--report-worker"]
            pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            workers[arm] = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(folder)}, **pipes)
            stack.callback(workers[arm].wait)
            stack.callback(workers[arm].stdin.close)
        found = []
        for kind, k, n in REPORTS:
            n //= smaller
            times = {arm: [] for arm in workers}
            last = {}
            for _ in range(rounds):
                for arm, worker in workers.items():
                    print(kind, k, n, file=worker.stdin, flush=True)
                    last[arm] = json.loads(worker.stdout.readline())
                    times[arm].append(round(last[arm]["cpu"], 4))
            scores = [last[arm]["scores"] for arm in ("before", "now")]
            gap = max(abs(a - b) for a, b in zip(*(x.values() for x in scores)))
            line = {"kind": kind, "classes": k, "rows": n, "cpu": times, "score_gap": gap}
            line["ratio"] = round(min(times["before"]) / min(times["now"]), 1)
            print(f"  report of {n:,} rows, {kind} {k or ''}: {line['ratio']}", flush=True)
            found.append(line)
    return found


def reports_written(found):
    rows = [
        {
            "kind": f"{x['kind']}{', ' * (x['classes'] > 1)}{x['classes'] if x['classes'] > 1 else ''}",
            "rows": f"{x['rows']:,}",
            f"{BEFORE}, CPU s": f"{min(x['cpu']['before']):.2f}",
            "now": f"{min(x['cpu']['now']):.3f}",
            "times": f"{x['ratio']:.1f}",
            "largest difference of a score": f"{x['score_gap']:.0e}",
        }
        for x in found
    ]
    together = [sum(min(x["cpu"][arm]) for x in found) for arm in ("before", "now")]
    return [
        "## Evaluation and its printed report",
        f"CPU seconds of `str(evaluate(model, examples))` with a model whose outputs stand in a table, so scoring is "
        f"free; the build of {BEFORE} and this one take turns, {len(found[0]['cpu']['now'])} rounds, the "
        "calmest of each. Scores are the same; intervals are those of another method (measure/intervals.md).",
        table(rows),
        f"All together {together[0]:.1f} and {together[1]:.1f} s: {together[0] / together[1]:.0f} times; aim "
        f"{REPORT_AIM} times {verdict(together[0] / together[1] >= REPORT_AIM)}, for each kind alone "
        f"{verdict(all(x['ratio'] >= REPORT_AIM for x in found))}. What is left is the scoring itself: batches, losses "
        "and answers, row by row.",
    ]


PARTS = {  # measured and written
    "pretraining": (pretraining, pretraining_written),
    "predict": (predict, predict_written),
    "cold": (cold, cold_written),
    "memory": (memory, memory_written),
    "reports": (reports, reports_written),
    "loading": (loading, loading_written),
    "lessons": (lessons, lessons_written),
    "lowrank": (lowrank, lowrank_written),
}


def written(record):
    "The record as Markdown."
    i = record["import"]
    parts = [
        "# Speed and memory",
        f"`make bench`. {described(record['machine'])}",
        races.__doc__.split("\n\n")[1].strip().replace("\n", " "),
    ]
    for r in record["races"]:
        parts += races.race_written(r)
    for name, (_, write) in PARTS.items():
        if record.get(name):
            title, *text = write(record[name])
            where = record.get("machines", {}).get(name)
            parts += [title, *([described(where)] if where else []), *text]
    parts.append(
        f"`import ftcourse` takes {i['best'] * 1000:.0f} ms (median {i['median'] * 1000:.0f} ms) and loads no torch; "
        f"aim {IMPORT_AIM * 1000:.0f} ms {verdict(i['best'] <= IMPORT_AIM)}."
    )
    return "\n\n".join(parts)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--quick", action="store_true", help="few rows, nothing written: does it run?")
    p.add_argument("--only", choices=("loop", *PARTS), help="one part, measured alone; the rest as it stands")
    p.add_argument("--report-worker", action="store_true", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.report_worker:
        return report_worker()
    threads = threads_from(args)
    from ftcourse.core.machine import set_threads

    set_threads(threads)
    warnings.filterwarnings("ignore")
    record = json.loads((HERE / "bench.json").read_text(encoding="utf-8"))
    if args.only in (None, "loop"):
        record |= {"machine": machine(threads), "aims": races.AIMS, "import": import_seconds()}
        print(f"import ftcourse: {record['import']}", flush=True)
        record["races"] = [
            races.race(name, n // 4 if args.quick else n, epochs, lr, 2 if args.quick else rounds, real)
            for name, (n, epochs, lr, rounds) in races.SIZES.items()
            for real in (False, True)
            if not real or (real_texts() and word_pieces())
        ]
    for name, (measure, _) in PARTS.items():
        if args.only in (None, name):
            record[name] = measure(args.quick)
            record.setdefault("machines", {})[name] = machine(threads)
    print(written(record))
    if not args.quick:
        save("bench", record, written(record))


if __name__ == "__main__":
    main()
