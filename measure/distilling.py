"""What text, updates, depth and vocabulary pay in the distillation of mini-bert, and what stops it: `make box`.

Writes measure/distilling.md and measure/distilling.json.

Students that differ in one thing are distilled in short: 1,000 updates of 64 texts, where mini-bert had 15,420. So the
table says what pays in a short distillation, and only the row of the shipped model says what a long one adds. All see
the same 1,000 held-out texts, of which a share of the variance of the teacher's vectors and of its token states stays
unexplained. Each is then fine-tuned by the defaults of `fine_tune_model`, on the same labels (measure/few_labels.py).
The smaller vocabulary cuts the same texts into other pieces, and a piece of a word that is cut otherwise learns the
mean of the states of its word. A second table asks what mini-bert could reach: logistic regression on the teacher's own
vectors, on their 128 directions of largest variance (as wide as mini-bert), and on mini-bert's. It needs the teacher
and WordNet (tools/mini_bert). Not tried: a masked-language-model term beside the two losses, and a teacher that knows
sentiment. A run that was made before is not repeated; `--known` writes what there is.
"""

import argparse
import hashlib
import re
import shutil
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from common import HERE, Kept, described, installed, machine, recipe, save, table, threads_from
from few_labels import Job, make_runs, one, options, rows_of, scores

sys.path.append(str(HERE.parent))  # tools are not in the package
from tools.mini_bert.texts import Absent, find_wordnet, make_texts, read_wordnet  # noqa: E402

CELLS = [("glue:sst2", 512), ("trec", 512)]
TUNED, CEILING_SEEDS = 2, 3
UPDATES, PIECES = 1000, 16_000
SHIPPED = HERE.parent / "ftcourse" / "assets" / "mini-bert"  # its vocabulary is the one that is not varied


@dataclass(frozen=True)
class Variant:
    name: str
    updates: int = UPDATES
    layers: int = 2
    pieces: int = PIECES
    kinds: tuple = ()  # of text that is read; none: all
    share: float = 1.0  # of the texts
    alone: bool = True  # whether word vectors begin as the teacher's
    seed: int = 0


VARIANTS = [
    Variant("as mini-bert, but short"),
    Variant("the same, another seed", seed=1),
    Variant("half the updates", updates=UPDATES // 2),
    Variant("one layer", layers=1),
    Variant("four layers", layers=4),
    Variant("a tenth of the texts", share=0.1),
    Variant("half the vocabulary", pieces=PIECES // 2),
    Variant("word vectors from random numbers", alone=False),
    Variant("dictionary alone, no sentences of our own", kinds=("gloss", "example")),
    Variant("twice the updates", updates=2 * UPDATES),
]


@cache
def code():
    "Hash of what makes a student."
    folder = HERE.parent / "tools" / "mini_bert"
    names = ("student.py", "teacher.py", "texts.py", "vocabulary.py", "frames.txt")
    return hashlib.sha256(b"".join((folder / n).read_bytes() for n in names)).hexdigest()[:12]


def key_of(variant):
    return f"{variant} {TUNED} {CELLS} {code()} {recipe()} {installed('torch')}"


@cache
def read_texts():
    "(texts, in the order of their targets; kind of each)"
    from tools.mini_bert.__main__ import all_texts

    made = make_texts(read_wordnet(find_wordnet()), 0)
    kind_of = {t: kind for kind, some in made.items() for t in some}
    texts = all_texts(made, 0)
    return texts, [kind_of[t] for t in texts]


@cache
def material(work):
    "(the teacher's states of single pieces, its `Targets`), from what it said when mini-bert was made, if that is kept"
    from tools.mini_bert.__main__ import asked, find_teacher
    from tools.mini_bert.vocabulary import prune

    if (work / f"targets-{PIECES}.pkl").exists():
        return asked(find_teacher(), [], range(PIECES), SHIPPED, work)
    texts, words = read_texts()[0], work / f"words-{PIECES}"
    return asked(find_teacher(), texts, prune(find_teacher(), texts, PIECES, words), words, work)


def selected(targets, rows):
    "The `Targets` of some texts."
    import numpy as np

    from tools.mini_bert.teacher import Targets

    sizes = np.diff(targets.ends)[rows]
    places = np.concatenate([np.arange(targets.ends[r], targets.ends[r + 1]) for r in rows])
    ends = np.concatenate([[0], np.cumsum(sizes)])
    return Targets(targets.ids[places], ends, targets.vectors[rows], targets.states[places], targets.known[places])


def recut(targets, texts, was, now):
    "The same `Targets` for another vocabulary, whose pieces are among those of the first."
    import numpy as np

    from tools.mini_bert.teacher import LONGEST, Targets, by_word

    for words in (was, now):
        words.enable_truncation(LONGEST + 8)
    ids, states, known = [], [], []
    for i, (old, new) in enumerate(zip(was.encode_batch(texts), now.encode_batch(texts))):
        there = slice(targets.ends[i], targets.ends[i + 1])
        assert (targets.ids[there] == old.ids).all(), f"text {i} was cut otherwise when the teacher was asked"
        h, k = by_word(old, new, targets.states[there])
        ids.append(np.array(new.ids, np.int32))
        states.append(h)
        known.append(k)
    ends = np.concatenate([[0], np.cumsum([len(row) for row in ids])])
    return Targets(np.concatenate(ids), ends, targets.vectors, np.concatenate(states), np.concatenate(known))


def taught(variant, folder, work):
    "Distil one student into a folder; what it left unexplained."
    import numpy as np
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    from tools.mini_bert.__main__ import find_teacher, write_folder
    from tools.mini_bert.student import HELD_OUT, Course, Shape, learn, new_student
    from tools.mini_bert.vocabulary import prune

    alone, targets = material(work)
    rows = range(HELD_OUT, len(targets.vectors))
    if variant.kinds:
        kinds = read_texts()[1]
        rows = [r for r in rows if kinds[r] in variant.kinds]
    rows = rows[: max(1, int(variant.share * len(rows)))]
    course = Course(seed=variant.seed)
    course.epochs = variant.updates / -(-len(rows) // course.batch)
    rows = np.array([*range(HELD_OUT), *rows])
    targets = selected(targets, rows) if len(rows) < len(targets.vectors) else targets
    if variant.pieces < PIECES:
        texts = read_texts()[0]
        pieces = prune(find_teacher(), texts, variant.pieces, folder)
        was, now = (Tokenizer.from_file(str(f / "tokenizer.json")) for f in (SHIPPED, folder))
        targets = recut(targets, [texts[r] for r in rows], was, now)
        known = was.get_vocab()
        alone = alone[[known[now.id_to_token(i)] for i in range(len(pieces))]]
    else:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(SHIPPED / name, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = new_student(tokenizer, Shape(layers=variant.layers), alone if variant.alone else None, variant.seed)
    last = learn(model, targets, course, say=lambda found: None)[-1]
    write_folder(model, folder)
    return last | {
        "parameters": sum(p.numel() for p in model.network.bert.parameters()),
        "texts": len(rows) - HELD_OUT,
    }


def run(variant, work):
    "Distil and fine-tune -> what it left unexplained, and its accuracies by cell."
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        found = taught(variant, folder, work)
        tuned = {
            f"{task} {n}": [one(Job(place, task, n, seed, "defaults")) for seed in range(TUNED)] for task, n in CELLS
        }
    found["scores"] = {cell: [r["score"] for r in runs] for cell, runs in tuned.items()}
    return found | {"tuning seconds": statistics.mean(r["seconds"] for runs in tuned.values() for r in runs)}


def teachers_vectors(texts):
    "The mean of the teacher's states of each text, of length one."
    import numpy as np
    import torch

    from tools.mini_bert.__main__ import find_teacher
    from tools.mini_bert.teacher import Teacher

    teacher, found = Teacher(find_teacher()), [None] * len(texts)
    teacher.tokenizer.enable_truncation(128)
    ids = [e.ids for e in teacher.tokenizer.encode_batch(texts)]
    order = sorted(range(len(texts)), key=lambda i: len(ids[i]))
    for start in range(0, len(texts), 64):
        rows = order[start : start + 64]
        states = teacher.states([ids[i] for i in rows]).split([len(ids[i]) for i in rows])
        for i, h in zip(rows, states):
            found[i] = torch.nn.functional.normalize(h.mean(0), dim=0).numpy()
    return np.stack(found)


def ceiling(task_name, labels, seed, work):
    "Accuracies of logistic regression on vectors that nobody trained: what a perfect pupil would begin with."
    import torch

    from ftcourse.experiments.baselines import split_texts
    from ftcourse.experiments.simple import fit_vectors
    from tools.mini_bert.teacher import principal

    task, found = rows_of(task_name, labels, seed), {}
    x, test = (torch.from_numpy(teachers_vectors(split_texts(task, s))) for s in ("train", "test"))
    mean, directions = principal(torch.from_numpy(material(work)[1].vectors[:20_000]), 128)
    arms = {"the teacher's vectors": (x, test)}
    arms["their 128 directions"] = tuple((v - mean) @ directions for v in (x, test))
    y, right = (task.label_ids(s) for s in ("train", "test"))
    for name, (train, scored) in arms.items():
        fitted = fit_vectors(train.numpy(), y, "classify", len(task.labels))
        found[name] = float((fitted(scored.numpy()).argmax(1) == right).mean())
    return found


def percent(x):
    return f"{x:.1%}"


def spread(values):
    "Mean, and the range where there are several."
    if not values:
        return ""
    return f"{statistics.mean(values):.3f}" + f" ({min(values):.3f}–{max(values):.3f})" * (len(values) > 1)


def facts_of_shipped():
    "Texts that mini-bert learned from, and its parameters, as its card has them."
    card = (SHIPPED / "README.md").read_text(encoding="utf-8")
    number = lambda what: int(re.search(rf"([\d,]+) {what}", card)[1].replace(",", ""))
    return {"texts": number("texts") - number("of them only to measure by"), "parameters": number("parameters")}


def written(record, shipped, log):
    rows, facts = [], facts_of_shipped()
    for name, found in record["students"].items():
        rows.append(
            {
                "student": name,
                "updates": f"{found['step']:,}",
                "texts": f"{found['texts']:,}",
                "parameters": f"{found['parameters'] / 1e6:.2f}M",
                "text vectors, unexplained": percent(found["text"]),
                "token states": percent(found["tokens"]),
            }
            | {f"{task} {n}": spread(found["scores"][f"{task} {n}"]) for task, n in CELLS}
            | {"CPU seconds": round(found["seconds"])}
        )
    rows.append(
        {
            "student": "mini-bert, as shipped",
            "updates": f"{log['step']:,}",
            "texts": f"{facts['texts']:,}",
            "parameters": f"{facts['parameters'] / 1e6:.2f}M",
            "text vectors, unexplained": percent(log["text"]),
            "token states": percent(log["tokens"]),
        }
        | {f"{task} {n}": spread(scores(shipped, "mini-bert", task, n, "defaults")[:TUNED]) for task, n in CELLS}
        | {"CPU seconds": log["seconds"]}
    )
    parts = [
        "# What pays in the distillation of mini-bert",
        f"`make box`. {described(record['machine'])}",
        __doc__.split("\n\n", 2)[2].strip(),
        "## Students",
        f"Accuracy: mean of {TUNED} seeds of fine-tuning, and the lower and the higher. The two students that differ "
        "in their seed alone say how much a difference may be chance.",
        table(rows),
    ]
    if missing := [v.name for v in VARIANTS if v.name not in record["students"]]:
        parts.append(f"Not measured yet: {'; '.join(missing)}.")
    if record["ceilings"]:
        lines = []
        for cell, runs in record["ceilings"].items():
            task, n = cell.rsplit(" ", 1)
            line = {"task": task, "labels": n}
            line |= {f"frozen: {name}": spread([r[name] for r in runs]) for name in runs[0]}
            line["frozen: mini-bert's"] = spread(scores(shipped, "mini-bert", task, int(n), "frozen")[: len(runs)])
            for model, name in (("mini-bert", "fine-tuned: mini-bert"), ("teacher", "fine-tuned: the teacher")):
                line[name] = spread(scores(shipped, model, task, int(n), "defaults")[: len(runs)])
            lines.append(line)
        n = max(map(len, record["ceilings"].values()))
        said = f"{n} seed{'s' * (n > 1)} of labels, the same in each column of a line."
        parts += ["## What it could reach", said, table(lines)]
    return "\n\n".join(parts)


def main():
    import json

    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options(p)
    p.add_argument("--only", nargs="*", help="run these students only, by name; none: the ceilings")
    p.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "mini-bert", help="as of tools.mini_bert")
    args = p.parse_args()
    threads_from(args)
    import torch

    torch.set_num_threads(args.threads)
    kept, record = Kept("distilling"), {"machine": machine(args.threads), "students": {}, "ceilings": {}}
    cells = [(task, n, seed) for seed in range(CEILING_SEEDS) for task, n in CELLS]
    try:
        for variant in VARIANTS:
            if not args.known and (args.fresh or key_of(variant) not in kept):
                if args.only is None or variant.name in args.only:
                    kept[key_of(variant)] = run(variant, args.work) | asdict(variant)
                    print(variant.name, kept[key_of(variant)], flush=True)
            if key_of(variant) in kept:
                record["students"][variant.name] = kept[key_of(variant)]
        for task, n, seed in cells:
            name = f"ceiling {task} {n} {seed} {code()} {installed('torch')}"
            if not args.known and not args.only and (args.fresh or name not in kept):
                kept[name] = ceiling(task, n, seed, args.work)
                print(task, n, seed, kept[name], flush=True)
            if name in kept:
                record["ceilings"].setdefault(f"{task} {n}", []).append(kept[name])
    except Absent as e:
        print(f"skipped: {e}")
        return
    known = argparse.Namespace(**vars(args) | {"known": True})
    jobs = [Job("mini-bert", t, n, s, arm) for t, n in CELLS for s in range(5) for arm in ("defaults", "frozen")]
    jobs += [Job("teacher", t, n, s, "defaults") for t, n in CELLS for s in range(5)]
    shipped = make_runs("shipped", jobs, known)
    log = json.loads((SHIPPED / "log.json").read_text(encoding="utf-8"))[-1]
    save("distilling", record, written(record, shipped, log))


if __name__ == "__main__":
    main()
