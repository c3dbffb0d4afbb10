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
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

from common import HERE, described, machine, save, table, threads_from, verdict
from loading import loading, loading_written

AIMS = {"tiny": 2.0, "22M": 1.7}
BATCH, CLIP, DECAY, WARMUP = 16, 1.0, 0.01, 0.1
IMPORT_AIM = 0.1


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
    p.add_argument("--only", choices=(*AIMS, "loading"), help="loading: measured alone, the rest as it stands")
    args = p.parse_args()
    if args.only == "loading":
        record = json.loads((HERE / "bench.json").read_text(encoding="utf-8"))
        record["loading"] = loading(args.quick)
        print("\n\n".join(loading_written(record["loading"])))
        return None if args.quick else save("bench", record, written(record))
    threads = threads_from(args)
    from ftcourse.core.machine import set_threads

    set_threads(threads)
    warnings.filterwarnings("ignore")
    sizes = {"tiny": (2048, 1, 1e-3, 7), "22M": (512, 1, 1e-4, 2)}
    record = {"machine": machine(threads), "aims": AIMS, "import": import_seconds(), "races": []}
    print(f"import ftcourse: {record['import']}", flush=True)
    for name, (n, epochs, lr, rounds) in sizes.items():
        if args.only in (None, name):
            record["races"].append(race(name, n // 4 if args.quick else n, epochs, lr, 2 if args.quick else rounds))
    if not args.only:
        record["loading"] = loading(args.quick)
    print(written(record))
    if not args.quick and not args.only:
        save("bench", record, written(record))


if __name__ == "__main__":
    main()
