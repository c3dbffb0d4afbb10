#!/usr/bin/env bash
# transformers 5.24.0: `train_sampling_strategy="group_by_length"` of the Trainer, on rows whose length goes with their
# label (short mails that are fine, long ones that are spam).
# Guess before the try: a little slower per update than shuffled rows, and equal after an epoch.
# Seen: the sampler sorts 50 batches at a time by length, so nearly every batch holds one class, and updates undo one
# another: after one epoch the loss on other rows is above that of guessing, where shuffled rows have learned the task.
# Where the length says nothing about the label the two ways learn alike. Nothing warns.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.24.0 accelerate==1.15.0 \
    numpy==2.4.6 2>/dev/null
cd "$place"
HF_HOME="$place" HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 "$place/env/bin/python" -W ignore - <<'PY'
import math
from importlib.metadata import version

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback


def rows(n, tells, seed):
    "A label prefers one half of 200 words; with `tells` its rows are long or short, else both are."
    rng, found = np.random.default_rng(seed), []
    for _ in range(n):
        label = int(rng.integers(2))
        long = label if tells else int(rng.integers(2))
        length = int(rng.integers(6, 16) + 30 * long)
        half = np.where(rng.random(length) < 0.7, label, 1 - label)
        found.append({"input_ids": [1, *(3 + 100 * half + rng.integers(100, size=length)).tolist()], "labels": label})
    return found


def padded(batch):
    width = max(len(r["input_ids"]) for r in batch)
    ids = torch.tensor([r["input_ids"] + [0] * (width - len(r["input_ids"])) for r in batch])
    return {
        "input_ids": ids,
        "attention_mask": (ids != 0).long(),
        "labels": torch.tensor([r["labels"] for r in batch]),
    }


def loss_after_an_epoch(tells, strategy, seed):
    set_seed(seed)
    network = BertForSequenceClassification(
        BertConfig(vocab_size=203, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128)
    )
    args = TrainingArguments(
        "run",
        per_device_train_batch_size=16,
        num_train_epochs=1,
        learning_rate=1e-3,
        train_sampling_strategy=strategy,
        seed=seed,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(model=network, args=args, train_dataset=rows(1600, tells, seed), data_collator=padded)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return trainer.evaluate(rows(400, tells, 100 + seed))["eval_loss"]


print("transformers", version("transformers"), "torch", version("torch"))
found = {}
for tells in (False, True):
    for strategy in ("random", "group_by_length"):
        runs = [loss_after_an_epoch(tells, strategy, seed) for seed in range(3)]
        found[tells, strategy] = sum(runs) / 3
        said = "the length tells the label" if tells else "the length says nothing"
        print(f"{said}, {strategy}: loss on other rows {', '.join(f'{x:.3f}' for x in runs)}")
assert found[False, "group_by_length"] < 0.45 > found[False, "random"], "changed: unrelated lengths are not learned"
assert found[True, "random"] < 0.3, "changed: shuffled rows do not learn the task"
assert found[True, "group_by_length"] > math.log(2) - 0.1, "changed: grouped rows learn the task in an epoch"
PY
