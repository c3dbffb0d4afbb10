"""Arms that train in turns: our loop and the Hugging Face Trainer.

Same starting weights, examples, optimizer, schedule, clipping, dropout, batch size and threads; the arms take turns
inside one run, so that a busy minute hurts all of them. Lengths are mixed (at most 64 tokens). Real text, where it is
here, is that of the rows of `make real`: sentences of SST-2 and news of AG News in turns. Texts are tokenised
beforehand for every arm. The Trainer pads each batch to its longest row (dynamic padding), which is its usual best.
"""

import copy
import math
import statistics
import tempfile
import time

from common import networks, product_share, products_said, real_rows, table, verdict, word_pieces

AIMS = {"tiny": 3.0, "22M": 2.3}
SIZES = {"tiny": (2048, 1, 1e-3, 7), "22M": (512, 1, 1e-4, 5)}  # rows, epochs, learning rate, rounds
BATCH, CLIP, DECAY, WARMUP = 16, 1.0, 0.01, 0.1


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


def real_data(model, n):
    "Rows of real text, whose length says nothing about the label."
    texts, labels = zip(*real_rows()[:n])
    read = model.tokenizer(list(texts), truncation=True, max_length=64)["input_ids"]
    return [{"input_ids": ids, "labels": label} for ids, label in zip(read, labels)]


def settings(epochs, lr, seed):
    "Hyperparameters of our arm; `trainer` has the same."
    from ftcourse.core.hparams import HyperParams

    return HyperParams(
        epochs=epochs, batch_size=BATCH, lr=lr, head_lr=1.0, weight_decay=DECAY, warmup=WARMUP, clip=CLIP, seed=seed
    )


def ours(model, rows, epochs, lr, seed):
    "Mean loss of the last epoch, with `fit`."
    from ftcourse.data.batches import Batches
    from ftcourse.data.encode.examples import Example
    from ftcourse.train.loop import fit

    hp = settings(epochs, lr, seed)
    examples = [Example(r["input_ids"], r["labels"], row=i) for i, r in enumerate(rows)]
    model = model.copy()

    def run():
        history = fit(model, Batches(examples, BATCH, seed=seed), hp)
        last = history.steps[-len(history.steps) // epochs :]
        return math.fsum(s.loss * s.count for s in last) / sum(s.count for s in last)

    return run


def padded(batch):
    "Rows padded to the longest."
    import torch

    width = max(len(r["input_ids"]) for r in batch)
    ids = torch.tensor([r["input_ids"] + [0] * (width - len(r["input_ids"])) for r in batch])
    return {
        "input_ids": ids,
        "attention_mask": (ids != 0).long(),
        "labels": torch.tensor([r["labels"] for r in batch]),
    }


def hf_trainer(network, rows, collate, epochs, lr, seed, **options):
    "A Trainer of the network itself, with the settings of our arm."
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback

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
    t = Trainer(model=network, args=args, train_dataset=rows, data_collator=collate)
    t.remove_callback(PrinterCallback)
    return t


def trainer(model, rows, epochs, lr, seed, **options):
    "The same with the Trainer."
    t = hf_trainer(copy.deepcopy(model.network), rows, padded, epochs, lr, seed, **options)

    def run():
        t.train()
        return [log["loss"] for log in t.state.log_history if "loss" in log][-1]

    return run


ARMS = {
    "ours": ours,
    "Trainer": trainer,
    "Trainer, group_by_length": lambda *a: trainer(*a, train_sampling_strategy="group_by_length"),
}


def in_turns(arms, rounds, examples, name):
    """All arms, `rounds` times -> {arm: [{seconds, cpu, loss}]}.

    `arms[arm](r)` gives what is run in round `r`; round 0 warms up and is forgotten.
    """
    results = {arm: [] for arm in arms}
    for r in range(rounds + 1):
        for arm, make in arms.items():
            run = make(r)
            wall, busy = time.perf_counter(), time.process_time()
            loss = run()
            wall, busy = time.perf_counter() - wall, time.process_time() - busy
            if callable(loss):
                loss = loss()
            if r:
                results[arm].append({"seconds": round(wall, 3), "cpu": round(busy, 3), "loss": round(loss, 4)})
        if r:
            print(
                f"  {name} round {r}: "
                + ", ".join(f"{arm} {examples / x[-1]['seconds']:.0f}/s" for arm, x in results.items()),
                flush=True,
            )
    return results


def race(name, n, epochs, lr, rounds, real=False):
    "Fine-tuning with each arm -> its record."
    model = networks(name, word_pieces() if real else None)
    rows = real_data(model, n) if real else data(n, model.network.config.vocab_size)
    n = len(rows)
    arms = {
        arm: lambda r, make=make: make(model, rows if r else rows[: 3 * BATCH], epochs, lr, r)
        for arm, make in ARMS.items()
    }
    results = in_turns(arms, rounds, n * epochs, name)
    return {
        "model": name,
        "text": "real" if real else "generated",
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "rows": n,
        "epochs": epochs,
        "lr": lr,
        "rounds": rounds,
        "mean_tokens": round(statistics.mean(len(r["input_ids"]) for r in rows), 1),
        "arms": results,
        "products": {
            arm: product_share(ARMS[arm](model, rows[: n // 4], epochs, lr, 1)) for arm in ("ours", "Trainer")
        },
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
    spread = statistics.stdev(gaps) if len(gaps) > 1 else 0.0
    allowed = max(0.02, 3 * spread / math.sqrt(len(gaps)))
    return {
        "speed": speed,
        "ratio": ratio,
        "median_ratio": {clock: round(statistics.median(b[clock] / a[clock] for a, b in pairs), 2) for clock in ratio},
        "loss_gap": round(statistics.mean(gaps), 4),
        "loss_gap_allowed": round(allowed, 4),
        "losses_agree": abs(statistics.mean(gaps)) <= allowed,
    }


def why(r):
    "What the profile shows."
    return f"Why: {products_said(r['products']['ours'], r['products']['Trainer'], r['ratio']['cpu'], 'Trainer')}."


def race_written(r, title=None, aim=None, loss="loss of the last epoch"):
    "A record as Markdown; a missed aim is said with what the profile shows."
    wall, busy, aim = r["speed"]["seconds"], r["speed"]["cpu"], aim or AIMS[r["model"]]
    rows = [
        {
            "arm": arm,
            "examples/s": f"{wall[arm]:.0f}",
            "times the Trainer": f"{wall[arm] / wall['Trainer']:.2f}",
            "examples per CPU-second": f"{busy[arm]:.0f}",
            "times the Trainer's": f"{busy[arm] / busy['Trainer']:.2f}",
            loss: statistics.mean(x["loss"] for x in runs),
        }
        for arm, runs in r["arms"].items()
    ]
    title = (title or r["model"]) + ", real text" * (r.get("text") == "real")
    return [
        f"## {title} ({r['parameters'] / 1e6:.1f}M parameters)",
        f"{r['rows']} rows of {r['mean_tokens']} tokens on average, {r['epochs']} epoch{'s' * (r['epochs'] > 1)}, "
        f"{r['rounds']} rounds with a seed each; "
        "an arm's speed is that of its calmest round.",
        table(rows),
        f"Aim {aim} times {verdict(r['ratio']['cpu'] >= aim)}: {r['ratio']['cpu']:.2f} by CPU time, "
        f"{r['ratio']['seconds']:.2f} by the clock; "
        f"median of the rounds {r['median_ratio']['cpu']:.2f} and {r['median_ratio']['seconds']:.2f}.",
        *([why(r)] if r["ratio"]["cpu"] < aim and "products" in r else []),
        f"Losses {'agree' if r['losses_agree'] else '**do not agree**'}: ours is {r['loss_gap']:+.4f} nats from the "
        "Trainer's on average; "
        f"up to {r['loss_gap_allowed']:.4f} (three standard errors of the rounds, at least 0.02) is the noise of "
        "another order of the rows.",
    ]
