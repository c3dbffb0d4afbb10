"""What the teacher says of each text: one vector for the text, one for each of the student's tokens."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

LONGEST = 40  # tokens of a text that are read
BATCH = 64


@dataclass
class Targets:
    "Texts as the student's ids, and what is to be learned of them; tokens of all texts end to end."

    ids: np.ndarray  # (tokens,) with [CLS] and [SEP]
    ends: np.ndarray  # (texts + 1,) where each text begins, and the end
    vectors: np.ndarray  # (texts, teacher width) of length one
    states: np.ndarray  # (tokens, kept) float16
    known: np.ndarray  # (tokens,) bool: whether its state is a target; not so for [CLS] and [SEP]


class Teacher:
    "An encoder whose sentence vector is the mean of its states (all-MiniLM-L6-v2)."

    def __init__(self, folder: Path):
        from ftcourse import load_model

        self.folder = Path(folder)
        self.model = load_model(str(folder), head="classify", labels=["a", "b"])
        self.fast = self.model.core.proven_fast()
        self.tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        self.tokenizer.no_padding()

    @torch.inference_mode()
    def states(self, texts_ids: list[list[int]]) -> torch.Tensor:  # (tokens, width)
        longest = max(map(len, texts_ids))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in texts_ids])
        mask = torch.arange(longest) < torch.tensor([[len(row)] for row in texts_ids])
        return self.fast.states(ids, mask, None)

    def alone(self, pieces: list[int]) -> torch.Tensor:  # (pieces, width)
        "Each piece of its vocabulary as a text of its own: the mean of the states."
        cls, sep = self.tokenizer.token_to_id("[CLS]"), self.tokenizer.token_to_id("[SEP]")
        found = []
        for i in range(0, len(pieces), 256):
            rows = [[cls, p, sep] for p in pieces[i : i + 256]]
            found.append(self.states(rows).view(len(rows), 3, -1).mean(1))
        return torch.cat(found)


def principal(x: torch.Tensor, kept: int) -> tuple[torch.Tensor, torch.Tensor]:
    "Mean and the directions of the largest variance, (width, kept)."
    mean = x.mean(0)
    return mean, torch.linalg.svd(x - mean, full_matrices=False).Vh[:kept].T


def ask(
    teacher: Teacher,
    student: Tokenizer,  # its pruned vocabulary
    texts: list[str],
    kept: int = 128,  # directions of the token states
) -> Targets:
    """The teacher's vectors and states.

    A word that both cut into the same pieces gets a state for each; one that the student cuts otherwise gets the mean
    of its states for each of its pieces.
    """
    teacher.tokenizer.enable_truncation(LONGEST)
    student.enable_truncation(LONGEST + 8)
    theirs, own = teacher.tokenizer.encode_batch(texts), student.encode_batch(texts)
    by_length = sorted(range(len(texts)), key=lambda i: len(theirs[i].ids))
    sample = [theirs[i].ids for i in by_length[:: max(1, len(texts) // 2000)]]
    basis = torch.cat([teacher.states(sample[i : i + BATCH]) for i in range(0, len(sample), BATCH)])
    mean, directions = principal(basis, kept)
    scale = ((basis - mean) @ directions).pow(2).mean().sqrt()
    vectors, states, ids, known = ([None] * len(texts) for _ in range(4))
    for start in range(0, len(texts), BATCH):
        rows = by_length[start : start + BATCH]
        sizes = [len(theirs[i].ids) for i in rows]
        all_states = teacher.states([theirs[i].ids for i in rows])
        small = (all_states - mean) @ directions / scale
        for i, h, p in zip(rows, all_states.split(sizes), small.split(sizes)):
            vectors[i] = torch.nn.functional.normalize(h.mean(0), dim=0).numpy()
            states[i], known[i] = by_word(theirs[i], own[i], p.numpy())
            ids[i] = np.array(own[i].ids, np.int32)
    ends = np.concatenate([[0], np.cumsum([len(row) for row in ids])])
    return Targets(np.concatenate(ids), ends, np.stack(vectors), np.concatenate(states), np.concatenate(known))


def by_word(theirs, own, states):
    "States of the teacher's tokens as those of the student's, word by word."
    found = np.zeros((len(own.ids), states.shape[1]), np.float16)
    known, words = np.zeros(len(own.ids), bool), {}
    for k, word in enumerate(theirs.word_ids):
        if word is not None:
            words.setdefault(word, []).append(k)
    mine = {}
    for k, word in enumerate(own.word_ids):
        if word in words:
            mine.setdefault(word, []).append(k)
    for word, places in mine.items():
        there = words[word]
        same = [theirs.tokens[k] for k in there] == [own.tokens[k] for k in places]
        found[places] = states[there] if same else states[there].mean(0)
        known[places] = True
    return found, known
