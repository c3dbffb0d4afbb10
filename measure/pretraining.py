"""Pretraining a masked language model with our loop and with the Trainer: a part of `make bench`.

Our arm is that of `train_model`: a new tiny encoder, without dropout, and its `MaskedBatches`. The Trainer has
transformers' `DataCollatorForLanguageModeling`, which pads each batch to its longest row. Both begin with the same
weights, read the same documents of the built-in world, and hide 15% of the words. The loss is that of other documents
after training, in nats per hidden word; the same words are hidden for both. Real text, where it is here: sentences of
SST-2 and news of AG News, in the pieces of mini-bert.
"""

import copy
import re
import statistics

from common import product_share, real_texts
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


def real_documents(rows):
    "The same of real text, and the tokenizer of mini-bert."
    from ftcourse import load_model
    from ftcourse.data.encode.texts import encode_texts

    tokenizer = load_model("mini-bert", head="mlm").tokenizer
    made = encode_texts(real_texts(), tokenizer, 128)
    return made.select(range(HELD_OUT, min(HELD_OUT + rows, len(made)))), made.select(range(HELD_OUT)), tokenizer


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
    "A record for each kind of text that is here."
    return [pretrained(real, quick) for real in (False, True) if not real or real_texts()]


def pretrained(real, quick):
    "Both arms in turns -> a record."
    from ftcourse.models.pretraining import new_model

    train, test, tokenizer = (real_documents if real else documents)(ROWS // 16 if quick else ROWS)
    n = len(train)
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
        "text": "real" if real else "generated",
        "parameters": sum(p.numel() for p in new_model(tokenizer).network.parameters()),
        "rows": n,
        "epochs": EPOCHS,
        "lr": LR,
        "rounds": rounds,
        "mean_tokens": round(statistics.mean(map(int, train.lengths)), 1),
        "arms": results,
        "products": {arm: product_share(arms[arm](1)) for arm in ("ours", "Trainer")},
    } | compared(results, n * EPOCHS)


def pretraining_written(records):
    "The records as Markdown."
    title, *rest = [
        part
        for r in (records if isinstance(records, list) else [records])
        for part in race_written(r, "Pretraining, tiny", AIM, "loss of other documents")
    ]
    return [title, re.sub(r"\s+", " ", __doc__.split("\n\n")[1]).strip(), *rest]
