"""What the training of a language model takes in memory, counted by hand before anything is loaded."""
from dataclasses import dataclass

from ftcourse.core.errors import CourseError

@dataclass(frozen=True)
class Shape:
    "What of a Llama decides how large it is."

    vocab: int
    width: int
    layers: int
    inner: int  # of the feed-forward part
    heads: int
    kv_heads: int
    tied: bool = True  # the head is the word table

    @property
    def kv_width(self) -> int:
        "Of keys and values together with all heads that share them."
        return self.width // self.heads * self.kv_heads

    def linears(self) -> list[tuple[int, int]]:
        "(inputs, outputs) of the linear layers of one layer."
        w, kv, inner = self.width, self.kv_width, self.inner
        return [(w, w), (w, kv), (w, kv), (w, w), (w, inner), (w, inner), (inner, w)]

    def linear_weights(self) -> int:
        "Weights of all linear layers but the head: what is quantised."
        return self.layers * sum(i * o for i, o in self.linears())

    def weights(self) -> int:
        "All weights."
        tables = self.vocab * self.width * (1 if self.tied else 2)
        return self.linear_weights() + tables + (2 * self.layers + 1) * self.width

    def update_weights(self, rank: int) -> int:
        "Weights of low-rank updates of all linear layers but the head."
        return self.layers * sum(rank * (i + o) for i, o in self.linears())


SHAPES = {  # as their config.json says
    "135M": Shape(49152, 576, 30, 1536, 9, 3),  # SmolLM2-135M
    "1B": Shape(128256, 2048, 16, 8192, 32, 8),  # Llama-3.2-1B
    "8B": Shape(128256, 4096, 32, 14336, 32, 8, tied=False),  # Llama-3.1-8B
}
METHODS = ("full", "lora", "qlora")

@dataclass(frozen=True)
class Budget:
    "Bytes of training, by what they are for."

    weights: int
    gradients: int
    optimizer: int  # AdamW: two numbers of 32 bits for each weight that learns
    activations: int  # kept from forward to backward, in the layers
    step: int  # AdamW works on one matrix at a time: two arrays as large as the largest
    logits: int  # a vocabulary wide: the log-softmax, and the gradients of it and of the logits

    def parts(self) -> dict[str, int]:
        return dict(vars(self))

    def peak(self) -> int:
        """The most at one moment. Gradients arrive while activations leave: backward begins with
        all activations and no gradient, and ends with all gradients and no activation. The
        optimizer's step comes then.
        """
        held = self.weights + self.optimizer
        return held + max(self.activations + self.logits, self.gradients + self.step)


def memory_budget(
    shape: Shape | str,  # or a key of SHAPES
    method: str = "full",  # "full", "lora", "qlora"
    *,
    rows: int = 8,  # of a batch
    length: int = 512,  # tokens of a row
    rank: int = 8,  # of the updates
    bytes_each: int = 4,  # of a weight that is not quantised: 4, or 2 for 16 bits
    bits_each: float = 4.127,  # of a quantised weight: NF4 in blocks of 64, its scales in 8 bits
    checkpointing: bool = False,  # keep only what enters each layer, and compute the rest again
) -> Budget:
    """Count what an update of a Llama takes. Numbers that learn have 32 bits, gradients too, unless
    all weights learn in 16.

    Raises `CourseError` for a shape or method that is not known.
    """
    if isinstance(shape, str) and shape not in SHAPES:
        raise CourseError(f"shape={shape!r}: choose one of {', '.join(SHAPES)}, or give a Shape")
    if method not in METHODS:
        raise CourseError(f"method={method!r}: choose one of {', '.join(METHODS)}")
    s = SHAPES[shape] if isinstance(shape, str) else shape
    tokens, all_weights, linear = rows * length, s.weights(), s.linear_weights()
    if method == "full":
        learn, each, weights = all_weights, bytes_each, all_weights * bytes_each
        largest = max(s.vocab * s.width, *(i * o for i, o in s.linears()))
    else:
        learn, each = s.update_weights(rank), 4
        largest = rank * max(o for _, o in s.linears())
        weights = all_weights * bytes_each + learn * 4
        if method == "qlora":
            weights += round(linear * (bits_each / 8 - bytes_each))
            # one matrix at a time is unpacked
            weights += max(i * o for i, o in s.linears()) * bytes_each
    layer = layer_numbers(s, method, rank)
    kept = s.layers * s.width + layer if checkpointing else s.layers * layer
    kept += 3 * s.width if method == "full" else 0  # the final norm
    return Budget(
        weights,
        learn * each,
        learn * 8,
        tokens * kept * bytes_each,
        2 * largest * each,
        tokens * 3 * s.vocab * bytes_each,
    )


def layer_numbers(s: Shape, method: str, rank: int) -> int:
    """How many numbers for each token one layer keeps for backward.

    Norms: what enters, what leaves, and, where their weights learn, what lies between. Attention:
    queries, keys, values and the result. Feed-forward: two products, the SiLU of one, and their
    product. Updates: what lies between their two matrices.
    """
    norms = 2 * s.width * (3 if method == "full" else 2)
    attention = 2 * s.width + 2 * s.kv_width
    return norms + attention + 4 * s.inner + (0 if method == "full" else 7 * rank)
