"""Quantised layers are bitsandbytes' on a CPU, to the bit, and what transformers makes of them."""

import warnings

import pytest
import torch

from ftcourse import load_model
from ftcourse.core.settings import assets
from ftcourse.models.adapters import quantise, quantised_layers
from ftcourse.models.adapters.quantised import QuantisedLinear, normal_levels, pack, scale_levels


@pytest.fixture(scope="module")
def functional():
    pytest.importorskip("bitsandbytes")
    import bitsandbytes.functional as functional

    return functional


def test_the_code_books_are_theirs(functional):
    assert torch.equal(normal_levels(), functional.get_4bit_type("nf4", "cpu"))
    assert torch.equal(scale_levels(), functional.create_dynamic_map())


# rows that the block divides: where it does not, theirs is wrong on some CPUs (findings/)
SHAPES = [(128, 128, 64), (384, 128, 64), (512, 128, 32), (64, 1024, 128), (16, 256, 256), (30, 64, 64), (7, 33, 64)]


@pytest.mark.parametrize("rows, width, block", SHAPES)
@pytest.mark.parametrize("double", [False, True])
def test_codes_scales_and_numbers_are_equal_to_the_bit(functional, rows, width, block, double):
    torch.manual_seed(rows)
    for size in (1e-3, 0.05, 3.0):
        w = torch.randn(rows, width) * size
        w[0, :2] = torch.tensor([0.0, -0.0])
        theirs, state = functional.quantize_4bit(w, quant_type="nf4", blocksize=block, compress_statistics=double)
        ours = pack(w, "nf4", block, double)
        assert torch.equal(ours.codes, theirs.view(-1))
        assert torch.equal(ours.scales, state.absmax)
        if double:
            assert torch.equal(ours.outer, state.state2.absmax)
            assert torch.equal(ours.mean, state.offset)
        assert torch.equal(ours.dequantised(), functional.dequantize_4bit(theirs, state))


def test_a_block_of_zeros_is_zero_in_both(functional):
    w = torch.zeros(4, 64)
    w[1] = torch.linspace(-1, 1, 64)
    theirs, state = functional.quantize_4bit(w, quant_type="nf4", blocksize=64)
    assert torch.equal(pack(w, "nf4", 64).dequantised(), functional.dequantize_4bit(theirs, state))


def test_the_linear_layer_gives_what_theirs_gives_forward_and_backward(functional):
    import bitsandbytes as bnb

    torch.manual_seed(0)
    linear = torch.nn.Linear(128, 96)
    theirs = bnb.nn.Linear4bit(128, 96, quant_type="nf4", compute_dtype=torch.float32, compress_statistics=False)
    theirs.load_state_dict(linear.state_dict())
    theirs = theirs.to("cpu")
    ours = QuantisedLinear(pack(linear.weight.detach(), "nf4", 64), linear.bias)
    x = torch.randn(5, 128)
    grads = []
    for layer in (ours, theirs):
        mine = x.clone().requires_grad_()
        y = layer(mine)
        (y * torch.arange(96)).sum().backward()
        grads.append((y.detach(), mine.grad))
    for a, b in zip(*grads):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-4)


def test_tiny_gpt_in_4_bits_is_what_transformers_loads_in_4_bits(functional):
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = AutoModelForCausalLM.from_pretrained(
            assets() / "tiny-gpt", quantization_config=config, device_map="cpu"
        ).eval()
    ours = quantise(load_model("tiny-gpt", head="lm"))
    packed = [n for n, m in theirs.named_modules() if type(m).__name__ == "Linear4bit"]
    assert packed == list(quantised_layers(ours))
    for name, layer in quantised_layers(ours).items():
        weight = theirs.get_submodule(name).weight
        assert torch.equal(layer.codes, weight.data.view(-1)), name
    torch.manual_seed(0)
    ids = torch.randint(5, 2000, (2, 20))
    # with gradients on: without, theirs repacks for AVX-512 and multiplies in bf16, whatever compute_dtype says
    gap = theirs(ids).logits - ours.network.eval()(ids).logits
    assert gap.abs().max() < 1e-4


def test_their_merge_rounds_again_and_ours_does_not(functional):
    "Prototype: .39 in logits. Ours merges in 32 bits."
    from ftcourse.models.adapters import add_lora, low_rank_layers

    torch.manual_seed(0)
    model = add_lora(quantise(load_model("tiny-gpt", head="lm")), 4)
    for layer in low_rank_layers(model).values():
        torch.nn.init.normal_(layer.updates["default"].lora_B, std=0.02)
    ids = torch.randint(5, 2000, (2, 20))
    mask = torch.ones_like(ids).bool()
    with torch.no_grad():
        before = model.core(ids, mask)
        exact = (model.merged().core(ids, mask) - before).abs().max()
        again = (quantise(model.merged()).core(ids, mask) - before).abs().max()
    assert exact < 1e-3 < 0.1 < again


def test_ggufs_types_by_hand_are_those_of_the_package():
    np = pytest.importorskip("numpy")
    gguf = pytest.importorskip("gguf")
    from ftcourse.course.exercises.lesson_20 import q4_0

    kind = gguf.GGMLQuantizationType.Q4_0
    rows = np.random.default_rng(0).normal(size=(8, 32)).astype(np.float32)
    rows[0, :2] = [1.0, -1.0]
    rows[0, 2:] *= 0.3
    for row in rows:
        theirs = gguf.quants.dequantize(gguf.quants.quantize(row[None], kind), kind)[0]
        assert np.allclose(theirs, q4_0(row.tolist()), rtol=2e-3, atol=2e-3)  # their scale has 16 bits
    theirs = gguf.quants.dequantize(gguf.quants.quantize(rows[:1] * 0 + np.array([1, -1] * 16, "f4"), kind), kind)
    assert theirs[0, :2].tolist() == [1.0, -0.875]
