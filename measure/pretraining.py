"""Pretraining a masked language model with our loop and with the Trainer: a part of `make bench`.

Our arm is that of `train_model`: a new tiny encoder, without dropout, and its `MaskedBatches`. The Trainer has
transformers' `DataCollatorForLanguageModeling`, which pads each batch to its longest row. Both begin with the same
weights, read the same documents of the built-in world, and hide 15% of the words. The loss is that of other documents
after training, in nats per hidden word; the same words are hidden for both.
"""

import copy
import re
import statistics

from common import product_share
from races import BATCH, compared, hf_trainer, in_turns, race_written, settings

AIM = 3.0
ROWS, HELD_OUT, EPOCHS, LR, RATE, ROUNDS = 1600, 200, 1, 1e-3, 0.15, 5


def documents(rows):
    "Documents of the world as Examples, to train on and held out; their tokenizer."
    from ftcourse import load_task
    from ftcourse.data.encode.texts import encode_task
    from ftcourse.models.pretraining import shipped_tokenizer

    task, tokenizer = load_task("world", kind="lm"), shipped_tokenizer("mlm")
    train = encode_task(task.take(rows, seed=0), "train", tokenizer, 128)
    return train, encode_task(task, "test", tokenizer, 128).select(range(HELD_OUT)), tokenizer


def held_out(network, examples, tokenizer):
    "Mean loss of hidden words, by transformers' own forward."
    import torch
    from torch.nn import functional as F

    from ftcourse.data.batches import Batches
    from ftcourse.models.pretraining import MaskedBatches

    network.eval()
    total = count = 0
    with torch.inference_mode():
        for b in MaskedBatches(Batches(examples, 50, shuffle=False), tokenizer, rate=RATE):
            z = network(input_ids=b.ids, attention_mask=b.mask.long()).logits
            total += F.cross_entropy(z.flatten(0, 1), b.labels.flatten(), reduction="sum").item()
            count += int((b.labels >= 0).sum())
    return total / count


def ours(seed, train, test, tokenizer):
    "As `train_model` does it."
    from ftcourse.data.batches import Batches
    from ftcourse.models.pretraining import MaskedBatches, new_model
    from ftcourse.train.loop import fit

    model = new_model(tokenizer, seed=seed)
    batches = MaskedBatches(Batches(train, BATCH, seed=seed), tokenizer, rate=RATE, seed=seed)

    def run():
        fit(model, batches, settings(EPOCHS, LR, seed))
        return lambda: held_out(copy.deepcopy(model.network), test, tokenizer)

    return run


def trainer(seed, train, test, tokenizer, **options):
    "The same with the Trainer."
    from transformers import DataCollatorForLanguageModeling

    from ftcourse.models.pretraining import new_model

    special = set(tokenizer.all_special_ids)
    # which tokens are special is said beforehand, else the collator asks the tokenizer in every batch
    rows = [{"input_ids": e.ids, "special_tokens_mask": [int(i in special) for i in e.ids]} for e in train]
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=RATE)
    network = new_model(tokenizer, seed=seed).network
    t = hf_trainer(network, rows, collate, EPOCHS, LR, seed, remove_unused_columns=False, **options)

    def run():
        t.train()
        return lambda: held_out(t.model, test, tokenizer)

    return run


def pretraining(quick=False):
    "Both arms in turns -> a record."
    from ftcourse.models.pretraining import new_model

    n = ROWS // 16 if quick else ROWS
    train, test, tokenizer = documents(n)
    few = train.select(range(3 * BATCH))
    arms = {
        "ours": lambda r: ours(r, train if r else few, test, tokenizer),
        "Trainer": lambda r: trainer(r, train if r else few, test, tokenizer),
        "Trainer, group_by_length": lambda r: trainer(
            r, train if r else few, test, tokenizer, train_sampling_strategy="group_by_length"
        ),
    }
    rounds = 1 if quick else ROUNDS
    results = in_turns(arms, rounds, n * EPOCHS, "pretraining")
    return {
        "model": "tiny",
        "parameters": sum(p.numel() for p in new_model(tokenizer).network.parameters()),
        "rows": n,
        "epochs": EPOCHS,
        "lr": LR,
        "rounds": rounds,
        "mean_tokens": round(statistics.mean(map(int, train.lengths)), 1),
        "arms": results,
        "products": {arm: product_share(arms[arm](1)) for arm in ("ours", "Trainer")},
    } | compared(results, n * EPOCHS)


def pretraining_written(r):
    "The record as Markdown."
    title, *rest = race_written(r, "Pretraining, tiny", AIM, "loss of other documents")
    return [title, re.sub(r"\s+", " ", __doc__.split("\n\n")[1]).strip(), *rest]
