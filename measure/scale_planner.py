"""The planner's count beside what is measured: a part of `make scale`.

A case trains a model for two updates in a process of its own, and the peak of its resident memory above the loaded
model is set beside the count. The rows are of random tokens and mixed lengths; an update of a tiny model before that
pays for what is imported and made once.
"""

import gc
import os
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from common import alone
from memory import forget_peak, resident

# freed arrays go back to the system at once, so that the process holds what it uses
OWN = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
BERT, GPT = "BertConfig", "GPT2Config"
SIZES = {
    "tiny-bert": "tiny-bert",
    "tiny-gpt": "tiny-gpt",
    "BERT 22M": (BERT, dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)),
    "GPT-2 60M": (GPT, dict(n_embd=640, n_layer=6, n_head=10, vocab_size=50257)),
    "BERT 110M": (BERT, {}),
    "Llama 30M": (
        "LlamaConfig",
        dict(
            hidden_size=384,
            num_hidden_layers=6,
            num_attention_heads=6,
            num_key_value_heads=2,
            intermediate_size=1024,
            vocab_size=32000,
            tie_word_embeddings=True,
        ),
    ),
}


def network_of(size, kind):
    "A Model with random weights (or a built-in one) of a kind."
    import transformers

    from ftcourse import load_model

    how = dict(head=kind, seed=0) | (dict(labels=["left", "right"]) if kind == "classify" else {})
    made = SIZES.get(size, size)
    if isinstance(made, str):
        return load_model(made, **how)
    from tokenizers import Tokenizer, models

    config, options = made
    config = getattr(transformers, config)(**options)
    special = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", eos_token="[SEP]")
    known = [*dict.fromkeys(special.values()), *(f"w{i}" for i in range(4, config.vocab_size))]
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(known)}, "[UNK]"))
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        transformers.PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(folder)
        return load_model(folder, random=True, **how)


def rows_of(kind, n, low, high, vocab, seed=0):
    "Examples of random tokens, from `low` to `high` of them."
    from ftcourse.data.encode.examples import Example

    dice = np.random.default_rng(seed)
    found = []
    for i, length in enumerate(dice.integers(low, high + 1, n)):
        ids = dice.integers(5, vocab, length).tolist()
        if kind == "lm":
            found.append(Example(ids, supervised=[True] * length, row=i))
        else:
            found.append(Example(ids, i % 2, row=i))
    return found


def train(model, rows, case, updates):
    "Some updates, as `fit` makes them."
    from ftcourse.core.hparams import HyperParams
    from ftcourse.data.batches import Batches
    from ftcourse.train.loop import fit

    hp = HyperParams(
        lr=1e-4,
        max_steps=updates,
        batch_size=case["batch"],
        accumulate=case["accumulate"],
        head_start="random",
        precision=case["precision"],
        train=case["train"],
        **case.get("hyper", {}),
    )
    batches = Batches(rows, case["batch"], shuffle=False, buckets=False)
    fit(model, batches, hp)
    return batches


def measured(case):
    "Bytes above the loaded model, and above nothing; and the count."
    from ftcourse.core.hparams import HyperParams
    from ftcourse.core.machine import set_threads
    from ftcourse.recipes import adapt

    set_threads(1)
    warnings.filterwarnings("ignore")
    tiny = network_of("tiny-bert" if case["kind"] == "classify" else "tiny-gpt", case["kind"])
    adapt(tiny, HyperParams(train=case["train"]))
    train(tiny, rows_of(case["kind"], 4, 4, 8, 1000), case | dict(batch=2, accumulate=1), 2)
    model = network_of(case["size"], case["kind"])
    adapt(model, HyperParams(train=case["train"]))
    vocab = min(case.get("words", 10**9), model.quick_network.config.vocab_size)
    n = case["batch"] * case["accumulate"] * 2
    rows = rows_of(case["kind"], n, *case["lengths"], vocab)
    model.quick_network.train()
    del tiny
    gc.collect()
    forget_peak()
    loaded = resident("VmRSS")
    batches = train(model, rows, case, 2)
    peak = resident("VmHWM") - loaded
    found = counted(model, batches, case)
    return {
        "bytes": peak,
        "counted": found.above(),
        "parts": {k: v for k, v in vars(found).items() if k != "moments"},
        "at": max(found.moments, key=lambda m: m[1])[0],
    }


def counted(model, batches, case):
    from ftcourse.experiments.plan import architecture_of, batch_shapes
    from ftcourse.train.footprint import Strategy, footprint

    a = architecture_of(model.network.config, model.kind, max(len(model.labels), 1))
    train, _, rank = case["train"].partition("-")
    how = Strategy(
        train=train,
        rank=int(rank or 0),
        precision=case["precision"],
        accumulate=case["accumulate"],
        **case.get("how", {}),
    )
    return max((footprint(a, b, how) for b in batch_shapes(batches, model.kind)), key=lambda f: f.peak)


def case(size, kind="classify", batch=16, lengths=(64, 128), train="full", accumulate=1, precision="no", **more):
    return dict(
        size=size,
        kind=kind,
        batch=batch,
        lengths=lengths,
        train=train,
        accumulate=accumulate,
        precision=precision,
        **more,
    )


if __name__ == "__main__":
    os.environ |= OWN | dict(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    for c in [
        case("tiny-gpt", kind="lm", batch=64),
        case("GPT-2 60M", kind="lm", batch=8, lengths=(64, 128)),
        case("GPT-2 60M", kind="classify", batch=8, lengths=(128, 256)),
        case("Llama 30M", kind="lm", batch=8, how=dict(fast=False)),
        case("Llama 30M", kind="lm", batch=8, train="lora-8", how=dict(fast=False)),
        case("Llama 30M", kind="lm", batch=8, train="qlora-8", how=dict(fast=False)),
    ]:
        r = alone(measured, c)
        print(
            {k: v for k, v in c.items() if k in ("size", "kind", "batch", "train", "precision", "accumulate")},
            f"{r['bytes'] / 2**20:.0f} MiB, counted {r['counted'] / 2**20:.0f}, ratio {r['counted'] / r['bytes']:.3f}",
            r["at"],
            flush=True,
        )
