"""Our loop against the Hugging Face Trainer: `make bench`.

Writes measure/bench.md and measure/bench.json.

Same starting weights, examples, optimizer, schedule, clipping, dropout, batch size and threads; the arms take turns
inside one run, so that a busy minute hurts all of them. Lengths are mixed (mean 25 tokens, at most 64). Texts are
tokenised beforehand for every arm. The Trainer pads each batch to its longest row (dynamic padding), which is its usual
best.
"""

import argparse
import copy
import json
import math
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

from common import HERE, described, machine, save, table, threads_from, verdict
from loading import loading, loading_written

AIMS = {"tiny": 3.0, "22M": 2.3}
SIZES = {"tiny": (2048, 1, 1e-3, 7), "22M": (512, 1, 1e-4, 5)}  # rows, epochs, learning rate, rounds
BATCH, CLIP, DECAY, WARMUP = 16, 1.0, 0.01, 0.1
IMPORT_AIM = 0.1
REPORT_AIM, REPORT_BEFORE, REPORT_ROUNDS = 10, "5c33c18", 5  # times less CPU time; the build to compare with
# kind, classes or labels, rows: the earlier build takes minutes for several labels of 50,000 rows
REPORTS = [
    ("classify", 2, 50_000),
    ("classify", 20, 50_000),
    ("multilabel", 10, 5_000),
    ("regress", 1, 50_000),
    ("span", 0, 50_000),
    ("lm", 0, 50_000),
]


def networks(name):
    "A Model to begin with: the shipped encoder, or a 22M-parameter BERT with random weights."
    from ftcourse import load_model

    if name == "tiny":
        return load_model("tiny-bert", head="classify", labels=["left", "right"], seed=0)
    from tokenizers import Tokenizer, models
    from transformers import BertConfig, PreTrainedTokenizerFast

    with tempfile.TemporaryDirectory() as folder:
        words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(30522)}, "w1"))
        BertConfig(
            hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, vocab_size=30522
        ).save_pretrained(folder)
        PreTrainedTokenizerFast(
            tokenizer_object=words, pad_token="w0", unk_token="w1", cls_token="w2", sep_token="w3"
        ).save_pretrained(folder)
        return load_model(folder, head="classify", labels=["left", "right"], random=True, seed=0)


def data(n, vocabulary, seed=0):
    "Rows of mixed lengths whose label can be learned, but not from one word: each label prefers one half of 400 words."
    import numpy as np

    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(math.log(22), 0.5, n).round(), 6, 64).astype(int)
    words = np.sort(rng.choice(np.arange(5, vocabulary), 400, replace=False)).reshape(2, 200)
    rows = []
    for length in lengths:
        label = int(rng.integers(2))
        half = np.where(rng.random(length - 2) < 0.65, label, 1 - label)
        rows.append({"input_ids": [2, *words[half, rng.integers(200, size=length - 2)].tolist(), 3], "labels": label})
    return rows


def ours(model, rows, epochs, lr, seed):
    "Mean loss of the last epoch, with `fit`."
    from ftcourse.core.hparams import HyperParams
    from ftcourse.data.batches import Batches
    from ftcourse.data.encode.examples import Example
    from ftcourse.train.loop import fit

    hp = HyperParams(
        epochs=epochs, batch_size=BATCH, lr=lr, head_lr=1.0, weight_decay=DECAY, warmup=WARMUP, clip=CLIP, seed=seed
    )
    examples = [Example(r["input_ids"], r["labels"], row=i) for i, r in enumerate(rows)]
    model = model.copy()

    def run():
        history = fit(model, Batches(examples, BATCH, seed=seed), hp)
        last = history.steps[-len(history.steps) // epochs :]
        return math.fsum(s.loss * s.count for s in last) / sum(s.count for s in last)

    return run


def trainer(model, rows, epochs, lr, seed, **options):
    "The same with the Trainer."
    import torch
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback

    def collate(batch):
        width = max(len(r["input_ids"]) for r in batch)
        ids = torch.tensor([r["input_ids"] + [0] * (width - len(r["input_ids"])) for r in batch])
        return {
            "input_ids": ids,
            "attention_mask": (ids != 0).long(),
            "labels": torch.tensor([r["labels"] for r in batch]),
        }

    steps = math.ceil(len(rows) / BATCH) * epochs
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            folder,
            per_device_train_batch_size=BATCH,
            num_train_epochs=epochs,
            learning_rate=lr,
            weight_decay=DECAY,
            warmup_steps=math.ceil(WARMUP * steps),
            max_grad_norm=CLIP,
            lr_scheduler_type="linear",
            seed=seed,
            logging_strategy="epoch",
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
            dataloader_pin_memory=False,
            **options,
        )
    t = Trainer(model=copy.deepcopy(model.network), args=args, train_dataset=rows, data_collator=collate)
    t.remove_callback(PrinterCallback)

    def run():
        t.train()
        return [log["loss"] for log in t.state.log_history if "loss" in log][-1]

    return run


ARMS = {
    "ours": ours,
    "Trainer": trainer,
    "Trainer, group_by_length": lambda *a: trainer(*a, train_sampling_strategy="group_by_length"),
}


def race(name, n, epochs, lr, rounds):
    "All arms in turn, `rounds` times -> {arm: [{seconds, cpu, loss}]}."
    model = networks(name)
    rows = data(n, model.network.config.vocab_size)
    results = {arm: [] for arm in ARMS}
    for r in range(rounds + 1):
        for arm, make in ARMS.items():
            run = make(model, rows if r else rows[: 3 * BATCH], epochs, lr, r)  # round 0 warms up and is forgotten
            wall, busy = time.perf_counter(), time.process_time()
            loss = run()
            wall, busy = time.perf_counter() - wall, time.process_time() - busy
            if r:
                results[arm].append({"seconds": round(wall, 3), "cpu": round(busy, 3), "loss": round(loss, 4)})
        if r:
            print(
                f"  {name} round {r}: "
                + ", ".join(f"{arm} {n * epochs / x[-1]['seconds']:.0f}/s" for arm, x in results.items()),
                flush=True,
            )
    return {
        "model": name,
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "rows": n,
        "epochs": epochs,
        "lr": lr,
        "rounds": rounds,
        "mean_tokens": round(statistics.mean(len(r["input_ids"]) for r in rows), 1),
        "arms": results,
    } | compared(results, n * epochs)


def compared(results, examples):
    "Speeds (the calmest round of each arm), our ratio to the Trainer, and whether the losses agree."
    speed = {
        clock: {arm: round(examples / min(r[clock] for r in runs), 1) for arm, runs in results.items()}
        for clock in ("seconds", "cpu")
    }
    ratio = {clock: round(s["ours"] / s["Trainer"], 2) for clock, s in speed.items()}
    pairs = list(zip(results["ours"], results["Trainer"]))
    gaps = [a["loss"] - b["loss"] for a, b in pairs]
    allowed = max(0.02, 3 * statistics.stdev(gaps) / math.sqrt(len(gaps)))
    return {
        "speed": speed,
        "ratio": ratio,
        "median_ratio": {clock: round(statistics.median(b[clock] / a[clock] for a, b in pairs), 2) for clock in ratio},
        "loss_gap": round(statistics.mean(gaps), 4),
        "loss_gap_allowed": round(allowed, 4),
        "losses_agree": abs(statistics.mean(gaps)) <= allowed,
    }


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


def reports(rounds, smaller=1):
    "Evaluation and printed report in this build and in an earlier one, in turns -> a dict for each kind."
    root = Path(__file__).resolve().parents[1]
    with ExitStack() as stack:
        before = stack.enter_context(tempfile.TemporaryDirectory())
        packed = subprocess.run(
            ["git", "archive", REPORT_BEFORE, "ftcourse", "settings.ini"], cwd=root, capture_output=True, check=True
        )
        subprocess.run(["tar", "-x", "-C", before], input=packed.stdout, check=True)
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
            f"{REPORT_BEFORE}, CPU s": f"{min(x['cpu']['before']):.2f}",
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
        f"free; the build of {REPORT_BEFORE} and this one take turns, {len(found[0]['cpu']['now'])} rounds, the "
        "calmest of each. Scores are the same; intervals are those of another method (measure/intervals.md).",
        table(rows),
        f"All together {together[0]:.1f} and {together[1]:.1f} s: {together[0] / together[1]:.0f} times; aim "
        f"{REPORT_AIM} times {verdict(together[0] / together[1] >= REPORT_AIM)}, for each kind alone "
        f"{verdict(all(x['ratio'] >= REPORT_AIM for x in found))}. What is left is the scoring itself: batches, losses "
        "and answers, row by row.",
    ]


def written(record):
    "The record as Markdown."
    i = record["import"]
    parts = [
        "# Speed of the loop",
        f"`make bench`. {described(record['machine'])}",
        __doc__.split("\n\n")[1].strip().replace("\n", " "),
    ]
    for r in record["races"]:
        parts += race_written(r)
    if record.get("reports"):
        parts += reports_written(record["reports"])
    if record.get("loading"):
        parts += loading_written(record["loading"])
    parts += record.get("notes", [])
    parts.append(
        f"`import ftcourse` takes {i['best'] * 1000:.0f} ms (median {i['median'] * 1000:.0f} ms) and loads no torch; "
        f"aim {IMPORT_AIM * 1000:.0f} ms {verdict(i['best'] <= IMPORT_AIM)}."
    )
    return "\n\n".join(parts)


def race_written(r):
    wall, busy, aim = r["speed"]["seconds"], r["speed"]["cpu"], AIMS[r["model"]]
    rows = [
        {
            "arm": arm,
            "examples/s": f"{wall[arm]:.0f}",
            "times the Trainer": f"{wall[arm] / wall['Trainer']:.2f}",
            "examples per CPU-second": f"{busy[arm]:.0f}",
            "times the Trainer's": f"{busy[arm] / busy['Trainer']:.2f}",
            "loss of the last epoch": statistics.mean(x["loss"] for x in runs),
        }
        for arm, runs in r["arms"].items()
    ]
    return [
        f"## {r['model']} ({r['parameters'] / 1e6:.1f}M parameters)",
        f"{r['rows']} rows of {r['mean_tokens']} tokens on average, {r['epochs']} epoch{'s' * (r['epochs'] > 1)}, "
        f"{r['rounds']} rounds with a seed each; "
        "an arm's speed is that of its calmest round.",
        table(rows),
        f"Aim {aim} times {verdict(r['ratio']['seconds'] >= aim)}: {r['ratio']['seconds']:.2f} by the clock, "
        f"{r['ratio']['cpu']:.2f} by CPU time; "
        f"median of the rounds {r['median_ratio']['seconds']:.2f} and {r['median_ratio']['cpu']:.2f}.",
        f"Losses {'agree' if r['losses_agree'] else '**do not agree**'}: ours is {r['loss_gap']:+.4f} nats from the "
        "Trainer's on average; "
        f"up to {r['loss_gap_allowed']:.4f} (three standard errors of the rounds, at least 0.02) is the noise of "
        "another order of the rows.",
    ]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--quick", action="store_true", help="few rows, nothing written: does it run?")
    p.add_argument(
        "--only", choices=("loop", "reports", "loading"), help="one part, measured alone; the rest as it stands"
    )
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
        record |= {"machine": machine(threads), "aims": AIMS, "import": import_seconds()}
        print(f"import ftcourse: {record['import']}", flush=True)
        record["races"] = [
            race(name, n // 4 if args.quick else n, epochs, lr, 2 if args.quick else rounds)
            for name, (n, epochs, lr, rounds) in SIZES.items()
        ]
    if args.only in (None, "reports"):
        record["reports"] = reports(2 if args.quick else REPORT_ROUNDS, 10 if args.quick else 1)
    if args.only in (None, "loading"):
        record["loading"] = loading(args.quick)
    print(written(record))
    if not args.quick:
        save("bench", record, written(record))


if __name__ == "__main__":
    main()
