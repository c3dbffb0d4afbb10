"A small BERT that learns what the teacher says: a text's vector from [CLS], a token's state from its own."

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .teacher import Targets

HELD_OUT = 1000  # texts that are never learned from


@dataclass
class Shape:
    width: int = 128
    layers: int = 2
    heads: int = 4
    positions: int = 128


@dataclass
class Course:
    epochs: float = 6
    batch: int = 64
    lr: float = 2e-3
    seed: int = 0


def new_student(tokenizer, shape: Shape, alone: torch.Tensor | None, seed: int):
    """A Model with random layers; its word vectors are the teacher's states of single pieces, in the directions of the
    largest variance.
    """
    from transformers import BertConfig, BertForSequenceClassification

    from ftcourse.models.model import Model

    from .teacher import principal

    torch.manual_seed(seed)
    network = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=4 * shape.width,
            max_position_embeddings=shape.positions,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    if alone is not None:
        mean, directions = principal(alone, shape.width)
        small = (alone - mean) @ directions
        with torch.no_grad():
            network.bert.embeddings.word_embeddings.weight.copy_(0.1 * small / small.pow(2).mean().sqrt())
    return Model(network.eval(), tokenizer, "classify", labels=["a", "b"])


class Distillation(nn.Module):
    "The student with the two maps into the teacher's space, which are thrown away afterwards."

    def __init__(self, model, targets: Targets):
        super().__init__()
        self.network, self.fast = model.network, model.core.proven_fast()
        width = model.network.config.hidden_size
        self.to_vector = nn.Linear(width, targets.vectors.shape[1])
        self.to_state = nn.Linear(width, targets.states.shape[1])
        # centred, and of the size one a coordinate
        self.register_buffer("mean", torch.from_numpy(targets.vectors[HELD_OUT : HELD_OUT + 20_000].mean(0)))

    def losses(self, ids, mask, vectors, states, known):
        "Mean squared errors of text vectors and of token states; the student's vectors, and the right ones."
        h = self.fast.states(ids, mask, None)
        first = mask.sum(-1).cumsum(0) - mask.sum(-1)
        said = self.to_vector(self.network.bert.pooler(h[first][:, None]))
        right = (vectors - self.mean) * vectors.shape[1] ** 0.5
        of_tokens = F.mse_loss(self.to_state(h[known]), states[known])
        return F.mse_loss(said, right), of_tokens, said, right


def batch_of(targets: Targets, rows: np.ndarray, pad: int = 0):
    sizes = targets.ends[rows + 1] - targets.ends[rows]
    places = np.concatenate([np.arange(targets.ends[r], targets.ends[r + 1]) for r in rows])
    mask = torch.arange(int(sizes.max())) < torch.from_numpy(sizes)[:, None]
    ids = torch.full(mask.shape, pad)
    ids[mask] = torch.from_numpy(targets.ids[places].astype(np.int64))
    states = torch.from_numpy(targets.states[places].astype(np.float32))
    return ids, mask, torch.from_numpy(targets.vectors[rows]), states, torch.from_numpy(targets.known[places])


@torch.no_grad()
def held_out(model: Distillation, targets: Targets) -> dict:
    "Shares of the variance that stay unexplained, and the mean cosine between vectors."
    model.eval()
    sizes = np.diff(targets.ends[: HELD_OUT + 1])
    order, sums = np.argsort(sizes), np.zeros(5)
    for i in range(0, HELD_OUT, 100):
        batch = batch_of(targets, order[i : i + 100])
        of_text, of_tokens, said, right = model.losses(*batch)
        spread = batch[3][batch[4]].pow(2).mean()
        cosine = F.cosine_similarity(said, right).mean()
        sums += [float(of_text), float(right.pow(2).mean()), float(of_tokens), float(spread), float(cosine)]
    model.train()
    found = dict(text=sums[0] / sums[1], tokens=sums[2] / sums[3], cosine=sums[4] * 100 / HELD_OUT)
    return {name: float(x) for name, x in found.items()}


def learn(model, targets: Targets, course: Course, say=print) -> list[dict]:
    "Train the student in place; its losses on held-out texts along the way."
    torch.manual_seed(course.seed)
    rng, made = np.random.default_rng(course.seed), Distillation(model, targets)
    rows = np.arange(HELD_OUT, len(targets.vectors))
    sizes = np.diff(targets.ends)
    total = math.ceil(math.ceil(len(rows) / course.batch) * course.epochs)
    warm, step, log, began = max(50, total // 20), 0, [], time.process_time()
    optimizer = torch.optim.AdamW(made.parameters(), course.lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    made.train()
    while step < total:
        order = rows[np.argsort(sizes[rows] + 2 * rng.random(len(rows)))]  # texts of like length together
        groups = [order[i : i + course.batch] for i in range(0, len(order), course.batch)]
        for g in rng.permutation(len(groups))[: total - step]:
            rate = min((step + 1) / warm, max(0.02, (total - step) / (total - warm)))
            for group in optimizer.param_groups:
                group["lr"] = course.lr * rate
            of_text, of_tokens, _, _ = made.losses(*batch_of(targets, groups[g]))
            loss = of_text + of_tokens
            loss.backward()
            torch.nn.utils.clip_grad_norm_(made.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            if step % max(1, total // 8) == 0 or step == total:
                log.append(dict(step=step, seconds=round(time.process_time() - began), **held_out(made, targets)))
                say({k: round(v, 4) for k, v in log[-1].items()})
    model.network.eval()
    return log
