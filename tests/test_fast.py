"""The fast forward gives what transformers' own gives, for every architecture, head and side of padding.

It steps aside where it could not. By hand.
"""

import warnings

import numpy as np
import pytest
import torch
import transformers
from test_architectures import DECODERS, ENCODERS, SIZE, tiny

from ftcourse import load_model
from ftcourse.core.hparams import HyperParams
from ftcourse.data.batches import Batch, Batches
from ftcourse.data.encode.examples import Example
from ftcourse.models.hub import quietly
from ftcourse.models.parts import freeze
from ftcourse.train.loop import fit, train_steps

KNOWN = ["bert", "roberta", "distilbert", "electra", "gpt2"]
HEADS = ["classify", "multilabel", "regress", "span", "lm"]


def made(arch, head, folder):
    "A model with random weights, dropout off."
    if arch == "electra":
        path = folder / "electra"
        t = transformers.AutoTokenizer.from_pretrained(tiny("bert", folder))
        config = transformers.ElectraConfig(vocab_size=len(t), embedding_size=8, **SIZE)
        with quietly():
            torch.manual_seed(0)
            transformers.ElectraForMaskedLM(config).save_pretrained(path)
            t.save_pretrained(path)
    else:
        path = tiny(arch, folder)
    labels = ["x", "y", "z"] if head in ("classify", "multilabel") else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_model(path, head=head, labels=labels, seed=1, dropout=0.0)


def batch_of(model, side="right", ragged=True, seed=0):
    "Four texts of 1 to 9 tokens, with targets."
    g = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([9, 5, 2, 1] if ragged else [9] * 4)[:, None]
    place = torch.arange(9)
    mask = place < lengths if side == "right" else place >= 9 - lengths
    ids = torch.randint(5, 900, (4, 9), generator=g).masked_fill(~mask, model.tokenizer.pad_token_id)
    labels = {
        "classify": lambda: torch.tensor([0, 2, 1, 0]),
        "multilabel": lambda: torch.randint(2, (4, 3), generator=g).float(),
        "regress": lambda: torch.randn(4, generator=g),
        "span": lambda: mask.int().argmax(-1)[:, None].expand(4, 2).contiguous(),
        "mlm": lambda: ids.masked_fill((torch.rand(ids.shape, generator=g) > 0.3) | ~mask, -100),
        "lm": lambda: None,
    }[model.kind]()
    types = torch.randint(2, ids.shape, generator=g) * mask if model.core.typed else None
    return Batch(ids, mask, labels, types)


def gradients(model, batch, slow, monkeypatch):
    "Loss and gradients, by either way."
    with monkeypatch.context() as m:
        if slow:
            m.setattr(model.core, "fast_network", lambda *a: None)
        else:
            assert model.core.fast_network(batch.ids, batch.mask)
        model.network.zero_grad(set_to_none=True)
        total, count = model.loss(batch)
        total.backward()
    return total.detach(), count, {k: p.grad for k, p in model.network.named_parameters()}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("arch", KNOWN)
def test_loss_and_gradients_are_those_of_transformers(arch, head, tmp_path, monkeypatch):
    model = made(arch, head, tmp_path)
    for train in ("full", "last-1"):
        freeze(model, train)
        model.network.train()
        for side in ("right", "left"):
            for ragged in (True, False):
                batch = batch_of(model, side, ragged)
                a, n, theirs = gradients(model, batch, True, monkeypatch)
                b, m, ours = gradients(model, batch, False, monkeypatch)
                assert n == m
                assert torch.allclose(a, b, rtol=1e-5)
                largest = max(g.abs().max() for g in theirs.values() if g is not None)
                for k, g in theirs.items():
                    assert (g is None) == (ours[k] is None), k
                    if g is not None:
                        assert (g - ours[k]).abs().max() <= 1e-5 * largest, (k, side, ragged)
        model.network.requires_grad_(True)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("arch", KNOWN)
def test_gradients_in_bf16_are_those_of_32_bits_to_a_hundredth(arch, head, tmp_path, monkeypatch):
    model = made(arch, head, tmp_path)
    model.network.train()
    for side in ("right", "left"):
        batch = batch_of(model, side)
        a, n, exact = gradients(model, batch, False, monkeypatch)
        with torch.autocast("cpu", torch.bfloat16):
            b, m, half = gradients(model, batch, False, monkeypatch)
        assert n == m
        assert torch.allclose(a, b, rtol=1e-3)
        assert all(g is None or g.dtype == torch.float32 for g in half.values())
        apart = sum((half[k] - g).square().sum() for k, g in exact.items() if g is not None)
        assert 0 < apart.sqrt() < 1e-2 * sum(g.square().sum() for g in exact.values() if g is not None).sqrt()


def test_bf16_trains_with_dropout_by_the_fast_way_and_leaves_the_model_in_32_bits(monkeypatch, worthwhile):
    start = load_model("tiny-bert", head="classify", labels=["a", "b", "c"], seed=0)
    trained = {}
    for precision in ("no", "bf16"):
        model = start.copy()
        with monkeypatch.context() as m:
            m.setattr(model.core, "network_logits", refused_after_the_proof(model))
            history = fit(model, Batches(examples(), 8, seed=0), HyperParams(lr=1e-3, epochs=3, precision=precision))
        assert all(p.dtype == torch.float32 for p in model.network.parameters())
        trained[precision] = [s.loss for s in history.steps]
    assert trained["no"] != trained["bf16"]
    assert np.allclose(trained["no"], trained["bf16"], atol=0.05)


def refused_after_the_proof(model):
    "transformers' own way, for the comparison alone."
    slow = model.core.network_logits

    def logits(*batch):
        assert not model.network.training, "a batch went the slow way"
        return slow(*batch)

    return logits


@pytest.mark.parametrize("arch", KNOWN)
def test_logits_of_all_positions_are_those_of_transformers(arch, tmp_path):
    for head in ("lm", "span"):
        model = made(arch, head, tmp_path)
        for side in ("right", "left"):
            b = batch_of(model, side)
            with torch.no_grad():
                assert model.core.fast_network(b.ids, b.mask)
                ours, theirs = model.forward(b), model.core.network_logits(b.ids, b.mask, b.types)
            for x, y in zip(ours, theirs) if head == "span" else [(ours, theirs)]:
                assert torch.allclose(x[b.mask], y[b.mask], atol=1e-5), (head, side)


@pytest.mark.parametrize("arch", sorted((ENCODERS | DECODERS).keys() - set(KNOWN)))
def test_other_architectures_go_their_own_way(arch, tmp_path):
    model = made(arch, "classify", tmp_path)
    b = batch_of(model)
    assert model.core.fast_network(b.ids, b.mask) is None
    assert model.forward(b).shape == (4, 3)


def test_another_activation_is_not_computed_as_gelu(tmp_path):
    config = transformers.BertConfig(vocab_size=1411, hidden_act="relu", **SIZE)
    with quietly():
        transformers.BertForMaskedLM(config).save_pretrained(tmp_path / "relu")
        load_model("tiny-bert").tokenizer.save_pretrained(tmp_path / "relu")
    model = load_model(tmp_path / "relu", head="classify", labels=["a", "b"])
    assert model.core.proven_fast() is None


@pytest.fixture
def model():
    return load_model("tiny-bert", head="classify", labels=["a", "b", "c"], seed=0, dropout=0.0)


def test_a_model_that_is_first_used_in_bf16_is_proven_in_32_bits(model):
    b = batch_of(model)
    with torch.autocast("cpu", torch.bfloat16):
        assert model.core.fast_network(b.ids, b.mask)
    assert model.core.fast_network(b.ids, b.mask)


def test_it_steps_aside_for_hooks_exchanged_modules_and_16_bits(model):
    b = batch_of(model)
    assert model.core.fast_network(b.ids, b.mask)
    seen = []
    hook = model.network.classifier.register_forward_hook(lambda *a: seen.append(1))
    model.forward(b)
    assert seen
    hook.remove()
    assert model.core.fast_network(b.ids, b.mask)
    with torch.autocast("cpu", torch.float16):
        assert model.core.fast_network(b.ids, b.mask) is None

    class Twice(torch.nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    old = model.forward(b)
    layer = model.network.bert.encoder.layer[0].intermediate
    twice = Twice(*reversed(layer.dense.weight.shape))
    twice.load_state_dict(layer.dense.state_dict())
    layer.dense = twice
    assert not torch.allclose(old, model.forward(b))
    assert torch.allclose(model.forward(b), model.core.network_logits(b.ids, b.mask, b.types))
    model.network.double()
    assert model.forward(b).dtype == torch.float64


def test_a_hook_that_is_there_from_the_beginning_is_heard(model):
    seen = []
    hook = model.network.bert.embeddings.register_forward_hook(lambda *a: seen.append(a[2].shape))
    model.forward(batch_of(model))
    assert seen == [(4, 9, 128)]
    hook.remove()
    assert model.core.proven_fast()


def test_weights_that_change_count_at_once(model):
    b = batch_of(model)
    old = model.forward(b)
    with torch.no_grad():
        model.network.bert.embeddings.word_embeddings.weight.mul_(2)
    assert not torch.allclose(old, model.forward(b), atol=1e-3)
    model.network.classifier = torch.nn.Linear(128, 5)
    assert model.forward(b).shape == (4, 5)


def test_an_empty_text_goes_the_old_way(model):
    ids = torch.zeros(2, 3, dtype=torch.long)
    mask = torch.tensor([[True, True, True], [False, False, False]])
    assert model.core.fast_network(ids, mask) is None
    assert model.forward(Batch(ids, mask)).shape == (2, 3)


def examples(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return [Example(rng.integers(5, 200, rng.integers(2, 12)).tolist(), int(rng.integers(3)), row=i) for i in range(n)]


def test_dropout_is_that_of_the_seed_and_off_in_evaluation():
    model = load_model("tiny-bert", head="classify", labels=["a", "b", "c"], seed=0)
    b = batch_of(model)
    assert torch.equal(model.forward(b), model.forward(b))
    model.network.train()
    outputs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        outputs.append(model.forward(b))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


@pytest.fixture
def worthwhile(monkeypatch):
    "Also a small table is trained in part."
    monkeypatch.setattr("ftcourse.train.word_rows.WORTHWHILE", 1)


def test_training_only_the_words_that_occur_gives_the_weights_of_training_all(model, monkeypatch, worthwhile):
    hp = HyperParams(epochs=2, batch_size=8, lr=1e-3, weight_decay=0.1, seed=3)
    twin = model.copy()
    batches = Batches(examples(), 8, seed=0)
    fit(model, batches, hp)
    used = []
    monkeypatch.setattr("ftcourse.train.loop.word_rows", lambda *a: used.append(1))
    fit(twin, batches, hp)
    assert used
    theirs = dict(twin.network.named_parameters())
    for name, p in model.network.named_parameters():
        # AdamW divides by the gradient's own size, so what is zero but for rounding (key biases) may go either way
        if "key.bias" not in name:
            assert (p - theirs[name]).abs().max() < 2e-5, name


def test_the_whole_table_is_right_after_every_update(model, worthwhile):
    hp = HyperParams(epochs=1, batch_size=8, lr=1e-2, weight_decay=0.1, warmup=0.0, seed=0)
    table = model.network.get_input_embeddings().weight
    untouched = table[1000].detach().clone()
    for step in train_steps(model, Batches(examples(), 8, seed=0), hp):
        untouched *= 1 - step.lr * 0.1
        assert torch.allclose(table[1000], untouched, rtol=1e-6)
        assert model.core.fast.words is None


def test_a_loss_of_ones_own_that_reads_the_table_trains_all_of_it(model, worthwhile):
    start = model.network.get_input_embeddings().weight.detach().clone()

    def loss(model, batch):
        total, count = model.loss(batch)
        return total + 10 * model.network.get_input_embeddings().weight.pow(2).sum(), count

    hp = HyperParams(max_steps=3, lr=1e-3, weight_decay=0.0, warmup=0.0)
    fit(model, Batches(examples(), 8, seed=0), hp, loss=loss)
    assert not torch.equal(start[1000], model.network.get_input_embeddings().weight[1000])


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_stop_and_a_resumption_give_the_same_bits_with_dropout(tmp_path, worthwhile, precision):
    hp = HyperParams(epochs=2, batch_size=8, lr=1e-3, seed=3, precision=precision)

    def new():
        return load_model("tiny-bert", head="classify", labels=["a", "b", "c"], seed=0), Batches(examples(), 8, seed=0)

    whole, batches = new()
    fit(whole, batches, hp)
    stopped, batches = new()
    for step in train_steps(stopped, batches, hp, run=tmp_path / "r"):
        if step.n == 5:
            break
    resumed, batches = new()
    fit(resumed, batches, hp, run=tmp_path / "r")
    for a, b in zip(whole.network.parameters(), resumed.network.parameters()):
        assert torch.equal(a, b)


def test_attention_of_a_span_model_never_answers_on_padding(tmp_path):
    model = made("bert", "span", tmp_path)
    b = batch_of(model)
    start, end = model.forward(b)
    lowest = torch.finfo(torch.float32).min
    assert (start[~b.mask] == lowest).all()
    assert (end[~b.mask] == lowest).all()


def test_padding_on_the_left_adds_no_target_to_a_language_model(tmp_path):
    model = made("gpt2", "lm", tmp_path)
    right, left = batch_of(model), batch_of(model, "left")
    left.ids[left.mask] = right.ids[right.mask]
    with torch.no_grad():
        (a, n), (b, m) = model.loss(right), model.loss(left)
    assert n == m == 8 + 4 + 1 + 0
    assert torch.allclose(a, b, rtol=1e-5)


def test_updates_that_go_the_old_way_train_the_rows_alike(model, monkeypatch, worthwhile):
    hp = HyperParams(max_steps=6, batch_size=8, lr=1e-3, clip=0.5, seed=3)
    twin, batches = model.copy(), Batches(examples(), 8, seed=0)
    monkeypatch.setattr("ftcourse.models.fast.network.FastNetwork.serves", lambda *a: False)
    history = fit(model, batches, hp)
    monkeypatch.setattr("ftcourse.train.loop.word_rows", lambda *a: None)
    fit(twin, batches, hp)
    assert history.steps[0].grad_norm > 0.5  # so that clipping counts
    theirs = dict(twin.network.named_parameters())
    for name, p in model.network.named_parameters():
        if "key.bias" not in name:
            assert (p - theirs[name]).abs().max() < 2e-5, name
