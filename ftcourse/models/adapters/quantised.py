"""Weights in 2 to 8 bits: code books, blocks with a scale each, and linear layers that hold them."""
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import torch
from fastcore.basics import patch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ftcourse.core.errors import CourseError
from ftcourse.models.adapters.base import note_base
from ftcourse.models.fast.plain import whole
from ftcourse.models.parts import blocks

def even_levels(bits: int) -> Tensor:  # (2 ** bits - 1,) from -1 to 1
    "Levels at equal distances, as many on either side of 0."
    most = 2 ** (bits - 1) - 1
    return torch.arange(-most, most + 1) / most

def normal_levels() -> Tensor:  # (16,) from -1 to 1
    """The levels of NF4: quantiles of the normal distribution, eight above 0 and seven below, and 0
    itself. Dettmers et al. 2023, arXiv:2305.14314, section 3; the outermost quantile as in their
    code.
    """
    quantile = NormalDist().inv_cdf
    above, below = (torch.linspace(0.9677083, 0.5, n)[:-1].tolist() for n in (9, 8))
    levels = [*(-quantile(p) for p in below), 0.0, *(quantile(p) for p in reversed(above))]
    return torch.tensor(levels) / max(levels)

BITS = {"nf4": 4, "int2": 2, "int3": 3, "int4": 4, "int8": 8}  # of one code


@cache
def code_book(
    bits: str,  # a key of BITS
) -> Tensor:  # (levels,) from -1 to 1, in their order
    "The numbers that a code can stand for, before they are multiplied by the scale of a block."
    return normal_levels() if bits == "nf4" else even_levels(BITS[bits])


def nearest(
    x: Tensor,  # from -1 to 1
    levels: Tensor,  # in their order
) -> Tensor:  # int64, as x
    "The place of the level that lies nearest to each number; of two at one distance the lower."
    return torch.bucketize(x, (levels[1:] + levels[:-1]) / 2)


def in_blocks(
    x: Tensor,
    block: int,
) -> tuple[Tensor, Tensor]:  # (numbers,) from -1 to 1; (blocks,) the scales
    "Numbers divided by the largest magnitude of their block. The last block may be a short one."
    flat = x.detach().float().reshape(-1)
    short = len(flat) % block
    rows = F.pad(flat, (0, -len(flat) % block)).view(-1, block)
    scales = rows.abs().amax(1)
    above = scales.clamp(min=1e-38)[:, None]
    unit = rows * (1 / above)
    if short:  # as bitsandbytes does, to the last bit
        unit[-1] = rows[-1] / above[-1]
    return unit.clamp(-1, 1).view(-1)[: len(flat)], scales


def out_of_blocks(
    unit: Tensor,  # (numbers,) from -1 to 1
    scales: Tensor,  # (blocks,)
    block: int,
) -> Tensor:  # (numbers,)
    "Numbers times the scale of their block."
    rows = F.pad(unit, (0, -len(unit) % block)).view(-1, block)
    return (rows * scales[:, None]).view(-1)[: len(unit)]

OUTER = 256  # scales that share one scale of their own


@cache
def scale_levels() -> Tensor:  # (256,)
    """The code book of the scales themselves: seven decades, finer in the upper ones. Dettmers
    2016, arXiv:1511.04561, section 2.1, as bitsandbytes builds it.
    """
    decades = []
    for i in range(7):
        edges = torch.linspace(0.1, 1, 2**i + 1)
        middles = 10 ** (i - 6) * ((edges[1:] + edges[:-1]) / 2)
        decades += [middles, -middles]
    return torch.cat([*decades, torch.tensor([0.0, 1.0])]).sort().values


@cache
def scale_table() -> Tensor:  # (65536,)
    "The nearest level of each of 65,536 numbers from -1 to 1: bitsandbytes rounds to them first."
    return nearest((torch.arange(65536).double() * 2 / 65535 - 1).float(), scale_levels())


def pack_scales(scales: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    "8-bit codes of scales, (blocks,); the scale of each 256 of them; and their mean."
    mean = scales.mean()
    unit, outer = in_blocks(scales - mean, OUTER)
    cells = ((unit + 1) * 0.5 * 65535 + 0.5).long()
    return scale_table()[cells].to(torch.uint8), outer, mean


def unpack_scales(codes: Tensor, outer: Tensor, mean: Tensor) -> Tensor:  # (blocks,)
    "The scales that `pack_scales` packed, nearly."
    levels = scale_levels().to(codes.device)
    return out_of_blocks(levels[codes.long()], outer, OUTER) + mean

@dataclass
class Packed:
    "A matrix as codes and scales."

    codes: Tensor  # uint8: two codes of up to 4 bits in a byte, the first in the upper half
    scales: Tensor  # (blocks,) float32; with `outer`, uint8 codes of them
    outer: Tensor | None  # (blocks / 256,) scales of the scales
    mean: Tensor | None  # () of the scales
    shape: tuple[int, ...]  # of the matrix
    bits: str  # a key of BITS
    block: int  # numbers that share a scale

    def dequantised(self) -> Tensor:
        "The matrix that the codes stand for, in 32 bits."
        n = torch.Size(self.shape).numel()
        codes, levels = self.codes.long(), code_book(self.bits).to(self.codes.device)
        if BITS[self.bits] <= 4:
            codes = torch.stack([codes >> 4, codes & 15], 1).view(-1)[:n]
        scales = self.scales
        if self.outer is not None:
            scales = unpack_scales(scales, self.outer, self.mean)
        return out_of_blocks(levels[codes], scales, self.block).view(self.shape)

    def nbytes(self) -> int:
        "Bytes of the codes and of all scales."
        parts = (self.codes, self.scales, self.outer, self.mean)
        return sum(t.numel() * t.element_size() for t in parts if t is not None)


def pack(
    matrix: Tensor,  # not empty
    bits: str = "nf4",  # "nf4", "int2", "int3", "int4", "int8"
    block: int = 64,  # numbers that share a scale
    double: bool = False,  # scales in 8 bits too
) -> Packed:
    "Divide by blocks, and keep for each number the place of the nearest level."
    block = min(block, matrix.numel())
    unit, scales = in_blocks(matrix, block)
    halves = BITS[bits] <= 4
    codes = nearest(F.pad(unit, (0, len(unit) % 2 * halves)), code_book(bits)).to(torch.uint8)
    if halves:
        codes = (codes[::2] << 4) | codes[1::2]
    outer = mean = None
    if double:
        scales, outer, mean = pack_scales(scales)
    return Packed(codes, scales, outer, mean, tuple(matrix.shape), bits, block)

class QuantisedProduct(torch.autograd.Function):
    """x Wᵀ with a packed W. Backward unpacks W again: to keep it in 32 bits from forward to
    backward would take the memory that packing saves.
    """

    @staticmethod
    def forward(ctx, x, layer):
        ctx.layer = layer
        return F.linear(x, layer.dequantised().to(x.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        return gradient @ ctx.layer.dequantised().to(gradient.dtype), None

class QuantisedLinear(nn.Module):
    """A linear layer whose matrix is codes and scales. It does not learn; a gradient goes through
    it to its input.
    """

    def __init__(
        self,
        packed: Packed,  # of the matrix as (outputs, inputs)
        bias: Tensor | None = None,  # (outputs,)
        turned: bool = False,  # whether it stands in for GPT-2's Conv1D: `weight` is (in, out) there
    ):
        super().__init__()
        for name in ("codes", "scales", "outer", "mean"):
            self.register_buffer(name, getattr(packed, name))
        self.register_buffer("bias", None if bias is None else bias.detach().clone())
        self.out_features, self.in_features = packed.shape
        self.bits, self.block, self.turned = packed.bits, packed.block, turned

    def packed(self) -> Packed:
        shape = (self.out_features, self.in_features)
        return Packed(
            self.codes, self.scales, self.outer, self.mean, shape, self.bits, self.block
        )

    def dequantised(self) -> Tensor:  # (outputs, inputs)
        "The matrix that it multiplies with."
        return self.packed().dequantised()

    @property
    def weight(self) -> Tensor:
        "The same, laid out as in the layer that it stands in for."
        return self.dequantised().t() if self.turned else self.dequantised()

    def forward(self, x: Tensor) -> Tensor:  # (…, inputs) -> (…, outputs)
        y = QuantisedProduct.apply(x, self)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, bits={self.bits}, block={self.block}, "
            f"double={self.outer is not None}"
        )

    def merged(
        self,
        weight: Tensor,  # (outputs, inputs)
    ) -> nn.Module:  # nn.Linear or Conv1D, of 32 bits
        "The layer that it stands in for, with another matrix: an update has no place in 4 bits."
        if self.turned:
            from transformers.pytorch_utils import Conv1D

            layer = Conv1D(self.out_features, self.in_features)
        else:
            layer = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None)
        with torch.no_grad():
            layer.weight = nn.Parameter((weight.t() if self.turned else weight).clone())
            if self.bias is not None:
                layer.bias = nn.Parameter(self.bias.clone())
        return layer

def linear_layers(
    network: nn.Module,
) -> dict[str, nn.Module]:
    "What can be quantised, by name: nn.Linear and Conv1D in the stack of layers, not the head."
    inside = {id(m) for layer in blocks(network) for m in layer.modules()}
    return {
        name: m
        for name, m in network.named_modules()
        if id(m) in inside and (isinstance(m, nn.Linear) or type(m).__name__ == "Conv1D")
    }


def quantised_layers(
    model,  # a Model or a network
) -> dict[str, QuantisedLinear]:
    "The layers that are quantised, by name."
    network = getattr(model, "quick_network", model)
    return {n: m for n, m in network.named_modules() if isinstance(m, QuantisedLinear)}


def put_layer(network: nn.Module, name: str, layer: nn.Module) -> None:
    "Replace the module of that name."
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, layer.train(network.training))


def check_scheme(bits, block, double) -> None:
    "Raise `CourseError` for a way of quantising that there is not."
    if bits not in BITS:
        raise CourseError(f"bits={bits!r}: choose one of {', '.join(map(repr, BITS))}")
    if isinstance(block, bool) or not isinstance(block, int) or block < 2:
        raise CourseError(
            f"block={block!r}: give how many weights share a scale, a whole number from 2 (64 is "
            "usual)"
        )
    if not isinstance(double, bool):
        raise CourseError(f"double={double!r}: True packs the scales too, False leaves them")


def to_quantise(
    network: nn.Module,
    skip: Sequence[str] | str,  # names, or ends of names
) -> dict[str, nn.Module]:
    """Linear layers by name, without those to skip. Raises `CourseError` for a name that is none,
    for layers with updates, for weights that are no numbers, and where nothing is left.
    """
    from ftcourse.models.adapters.lora import low_rank_layers

    if low_rank_layers(network):
        raise CourseError(
            "this model has low-rank updates, and they were trained on the weights as they are: "
            "quantise first and add the updates then, or merge them first (M.merged())"
        )
    if quantised_layers(network):
        raise CourseError("this model is quantised already: dequantise(model) undoes it")
    found = linear_layers(network)
    skip = [skip] if isinstance(skip, str) else list(skip)
    fits = lambda name, end: name == end or name.endswith(f".{end}")
    for end in skip:
        if not any(fits(name, end) for name in found):
            raise CourseError(
                f"skip: there is no linear layer {end!r} in the stack of layers. There are "
                f"{', '.join(dict.fromkeys(n.rpartition('.')[2] for n in found)) or 'none'}"
            )
    found = {n: m for n, m in found.items() if not any(fits(n, end) for end in skip)}
    if not found:
        raise CourseError("no linear layer is left to quantise: shorten skip=")
    for name, m in found.items():
        if not torch.isfinite(m.weight).all():
            raise CourseError(
                f"{name} holds weights that are no numbers (nan or infinite): the model is broken, "
                "load it again"
            )
    return found


def quantise(
    model,  # a Model or a network; changed in place
    bits: str = "nf4",  # "nf4", "int2", "int3", "int4", "int8"
    block: int = 64,  # weights that share a scale
    double: bool = True,  # the scales in 8 bits too
    skip: Sequence[str] | str = (),  # layers to leave as they are: names, or ends of names
):  # the model
    """Keep the linear layers of the stack as codes and scales. Embeddings, norms, biases and the
    head stay as they are.

    Dettmers et al. 2023, arXiv:2305.14314, section 3. Raises `CourseError` for another scheme, for
    a name in `skip` that is no layer, and for a model with updates or quantised already.
    """
    network = whole(getattr(model, "quick_network", model))
    check_scheme(bits, block, double)
    found = to_quantise(network, skip)
    if hasattr(model, "quick_network"):
        note_base(model)  # an adapter names the weights before they were rounded
    for name, m in found.items():
        turned = type(m).__name__ == "Conv1D"
        matrix = m.weight.detach().t() if turned else m.weight.detach()
        packed = pack(matrix.contiguous(), bits, block, double)
        put_layer(network, name, QuantisedLinear(packed, m.bias, turned))
    if hasattr(model, "quick_network"):
        skip = [skip] if isinstance(skip, str) else list(skip)
        model.info["quantised"] = dict(bits=bits, block=block, double=double, skip=skip)
    return model


def dequantise(
    model,  # a Model or a network; changed in place
):  # the model, which computes the same
    """Put layers of 32 bits in place of quantised ones. What rounding changed stays changed.

    Raises `CourseError` for a model that is not quantised, or has updates.
    """
    from ftcourse.models.adapters.lora import low_rank_layers

    network = getattr(model, "quick_network", model)
    if low_rank_layers(network):
        raise CourseError("this model has low-rank updates: M.merged() undoes both")
    if not quantised_layers(network):
        raise CourseError("this model is not quantised")
    for name, layer in quantised_layers(network).items():
        put_layer(network, name, layer.merged(layer.dequantised()))
    if hasattr(model, "quick_network"):
        model.info.pop("quantised", None)
        model.info.pop("adapted", None)
    return model

class WeightBytes(list):
    "Rows of (part, weights, bytes), printed as text and shown as a table in a notebook."

    def rows(self) -> list[tuple]:
        both = [*self, ("together", *(sum(column) for column in list(zip(*self))[1:]))]
        body = [(part, f"{n:,}", f"{size:,}", f"{8 * size / n:.2f}") for part, n, size in both]
        return [("part", "weights", "bytes", "bits per weight"), *body]

    def __str__(self):
        from ftcourse.core.tables import text_table

        return text_table(self.rows(), right=True)

    def _repr_html_(self):
        from ftcourse.core.tables import html_table

        return html_table(self.rows())

    __repr__ = __str__


def weight_bytes(
    model,  # a Model or a network
) -> WeightBytes:
    "What the weights take: quantised layers, linear layers that are not, updates, and the rest."
    network = whole(getattr(model, "quick_network", model))
    packed = quantised_layers(network)
    plain = {f"{n}.{p}" for n in linear_layers(network) for p in ("weight", "bias")}
    counts = {name: [0, 0] for name in ("quantised", "linear layers", "updates", "the rest")}
    for layer in packed.values():
        counts["quantised"][0] += layer.in_features * layer.out_features
        counts["quantised"][1] += layer.packed().nbytes()
        if layer.bias is not None:
            counts["the rest"][0] += layer.bias.numel()
            counts["the rest"][1] += layer.bias.numel() * layer.bias.element_size()
    for name, p in network.named_parameters():
        part = "updates" if ".updates." in name else "the rest"
        part = "linear layers" if name in plain and part != "updates" and p.ndim > 1 else part
        counts[part][0] += p.numel()
        counts[part][1] += p.numel() * p.element_size()
    return WeightBytes((part, *pair) for part, pair in counts.items() if pair[0])
