"""Memory of training, our loop and the Trainer: a part of `make bench`.

A 22M-parameter encoder is trained for a few updates in a process of its own: the same batches in the same order, the
same settings. Counted is the peak of the resident memory above what it was when the model had been loaded; an update of
the tiny encoder before that pays for what is imported and made once.
"""

import re
import warnings

from common import alone, networks, real_texts, table, verdict, word_pieces
from races import BATCH, data, hf_trainer, padded, settings

AIM = 0.65
ROWS, STEPS, MAX_LENGTH, ROUNDS = 1024, 8, 128, 3


def resident(what):
    "Memory of this process in bytes: VmRSS, what it is; VmHWM, its peak."
    with open("/proc/self/status", encoding="utf-8") as f:
        return int(re.search(rf"{what}:\s+(\d+)", f.read())[1]) * 1024


def forget_peak():
    "From now on VmHWM is the peak since here."
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as f:
        f.write("5")


def examples(kind, n):
    "The encoder and n rows for it."
    if kind == "generated":
        model = networks("22M")
        return model, data(n, model.network.config.vocab_size)
    model = networks("22M", word_pieces())
    texts = (real_texts() * n)[:n]
    ids = model.tokenizer(texts, truncation=True, max_length=MAX_LENGTH)["input_ids"]
    return model, [{"input_ids": x, "labels": i % 2} for i, x in enumerate(ids)]


def ours(model, rows, steps):
    from ftcourse.data.batches import Batches
    from ftcourse.data.encode.examples import Example
    from ftcourse.train.loop import fit

    read = [Example(r["input_ids"], r["labels"], row=i) for i, r in enumerate(rows)]
    batches = Batches(read, BATCH, shuffle=False)
    return lambda: fit(model, batches, settings(1, 1e-4, 0).replace(max_steps=steps)).steps[-1].loss


def trainer(model, rows, steps):
    options = dict(max_steps=steps, train_sampling_strategy="sequential")
    t = hf_trainer(model.network, rows, padded, 1, 1e-4, 0, **options)

    def run():
        t.train()
        return t.state.log_history[-1]["train_loss"]

    return run


def training(arm, kind, n, steps):
    "One run -> its memory."
    from ftcourse.core.machine import set_threads

    set_threads(1)
    warnings.filterwarnings("ignore")
    make = {"ours": ours, "Trainer": trainer}[arm]
    tiny = networks("tiny")
    make(tiny, data(BATCH, tiny.network.config.vocab_size), 1)()
    model, rows = examples(kind, n)
    used = len({i for r in rows for i in r["input_ids"]})
    model.network.train()
    forget_peak()
    loaded = resident("VmRSS")
    make(model, rows, steps)()
    weights = sum(p.nbytes for p in model.network.parameters())
    return {"bytes": resident("VmHWM") - loaded, "weights": weights, "words": used}


def memory(quick=False):
    "Both arms in turns, on generated and real rows -> a record for each."
    found = []
    n, steps, rounds = (256, 2, 1) if quick else (ROWS, STEPS, ROUNDS)
    kinds = ["generated"] + ["real"] * bool(real_texts() and word_pieces())
    for kind in kinds[-1:] if quick else kinds:
        peaks = {"ours": [], "Trainer": []}
        for _ in range(rounds):
            for arm, of in peaks.items():
                run = alone(training, arm, kind, n, steps)
                of.append(run["bytes"])
        line = {"rows": kind, "n": n, "steps": steps, "words": run["words"], "weights": run["weights"], "peaks": peaks}
        line["ratio"] = round(min(peaks["ours"]) / min(peaks["Trainer"]), 3)
        print(f"  memory, {kind} rows: {line['ratio']}", flush=True)
        found.append(line)
    return found


def memory_written(found):
    "The records as Markdown."
    mib = lambda x: f"{x / 2**20:.0f}"
    rows = [
        {
            "rows": f"{x['n']:,} {x['rows']}",
            "tokens of the vocabulary": f"{x['words']:,}",
            "weights, MiB": mib(x["weights"]),
            "ours, MiB above the loaded model": mib(min(x["peaks"]["ours"])),
            "Trainer": mib(min(x["peaks"]["Trainer"])),
            "ours ÷ Trainer": f"{x['ratio']:.2f}",
        }
        for x in found
    ]
    return [
        "## Memory of training",
        re.sub(r"\s+", " ", __doc__.split("\n\n")[1]).strip() + f" {found[0]['steps']} updates of {BATCH} rows; the "
        f"least of {len(found[0]['peaks']['ours'])} runs.",
        table(rows),
        f"Aim {AIM} of the Trainer's {verdict(all(x['ratio'] <= AIM for x in found))}. The Trainer keeps a gradient "
        "and two moments of every weight; ours keeps them for the words that occur, and no activations of padding.",
    ]
