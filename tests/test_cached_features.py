"""`train="head-cached"` trains the head as `train="head"` does without dropout, and refuses what it cannot serve.

By hand.
"""

import numpy as np
import pytest
import torch
from test_fast import KNOWN, made

from ftcourse import CourseError, fine_tune_model, load_model, load_task
from ftcourse.core.hparams import HyperParams
from ftcourse.course.cli.main import main
from ftcourse.data.batches import Batches
from ftcourse.data.encode.examples import Example
from ftcourse.models.fast.network import FastNetwork
from ftcourse.models.forward import evaluating
from ftcourse.train.cached_features import CachedFeatures
from ftcourse.train.loop import fit, train_steps

HP = HyperParams(epochs=3, batch_size=8, lr=1e-3, train="head-cached", seed=3)


def batches_for(kind, n=60, side="right"):
    "Texts of 2 to 11 tokens; the last batch of an epoch is smaller."
    rng = np.random.default_rng(0)
    label = {
        "classify": lambda: int(rng.integers(3)),
        "multilabel": lambda: rng.integers(2, size=3).astype(float).tolist(),
        "regress": lambda: float(rng.normal()),
        "span": lambda: (1, 1),
    }[kind]
    examples = [Example(rng.integers(5, 200, rng.integers(2, 12)).tolist(), label(), row=i) for i in range(n)]
    return Batches(examples, 8, seed=0, pad_side=side)


@pytest.fixture
def model():
    return load_model("tiny-bert", head="classify", labels=["a", "b", "c"], seed=0)


@pytest.fixture
def computed(monkeypatch):
    "Texts whose layers were computed for their features, counted."
    counts, compute = [], FastNetwork.features

    def counting(self, ids, mask, types=None):
        counts.append(len(ids))
        return compute(self, ids, mask, types)

    monkeypatch.setattr(FastNetwork, "features", counting)
    return counts


def same(a, b):
    "Whether two runs, (history, network), agree to 1e-6 in losses and weights."
    losses = np.allclose(a[0].losses, b[0].losses, rtol=0, atol=1e-6)
    theirs = dict(b[1].named_parameters())
    return losses and all((p - theirs[k]).abs().max() <= 1e-6 for k, p in a[1].named_parameters())


@pytest.mark.parametrize("kind", ["classify", "multilabel", "regress"])
@pytest.mark.parametrize("arch", KNOWN)
def test_without_dropout_it_is_the_head_alone_and_each_text_is_computed_once(arch, kind, tmp_path, computed):
    start = made(arch, kind, tmp_path)
    assert start.core.proven_fast()
    for side in ("right", "left"):
        batches, runs = batches_for(kind, side=side), {}
        for train in ("head", "head-cached"):
            model = start.copy()
            model.core.proven_fast()
            computed.clear()
            runs[train] = fit(model, batches, HP.replace(train=train, accumulate=2)), model.network
            assert sum(computed) == {"head": 3 * 60, "head-cached": 60}[train]
        assert same(runs["head"], runs["head-cached"])
        head = {n for n, p in runs["head"][1].named_parameters() if p.requires_grad}
        assert head == {n for n, p in runs["head-cached"][1].named_parameters() if p.requires_grad}
        assert any(not torch.equal(p, start.network.get_parameter(n)) for n, p in model.network.named_parameters())


def test_pairs_smoothing_and_class_weights_are_as_in_head():
    task, runs = load_task("pairs").take(24), []
    for train in ("head", "head-cached"):
        start = load_model("tiny-bert", task=task, dropout=0.0)
        hyper = dict(epochs=2, lr=1e-3, label_smoothing=0.1, class_weights="balanced")
        tuned = fine_tune_model(start, task, train=train, **hyper)
        runs.append((tuned.history, tuned.network))
    assert same(*runs)
    assert runs[0][0].validations == runs[1][0].validations


def test_the_layers_have_no_dropout_and_the_head_keeps_its_own(model):
    batches, still = batches_for("classify"), HP.replace(lr=0.0, head_lr=1.0, batch_size=60)
    batches = Batches(batches.examples, 60, shuffle=False)

    def losses(train, *without):
        twin = model.copy()
        for name, module in twin.network.named_modules():
            if isinstance(module, torch.nn.Dropout) and any(name.startswith(w) for w in without):
                module.p = 0.0
        return fit(twin, batches, still.replace(train=train)).losses

    cached, theirs = losses("head-cached"), losses("head")
    assert np.allclose(cached, losses("head", "bert."), rtol=0, atol=1e-6)
    assert not np.allclose(cached, theirs, rtol=0, atol=1e-4)
    assert len(set(cached)) == 3  # the head draws anew each time


def test_what_is_kept_is_a_vector_of_32_bits_for_each_example(model):
    batches = batches_for("classify")
    features = CachedFeatures(model, batches.examples)
    model.network.train()
    with torch.autocast("cpu", torch.bfloat16):
        features.forward(batches.batch([7, 3]))
    assert features.kept.shape == (60, 128)
    assert features.kept.dtype == torch.float32
    assert features.kept.untyped_storage().nbytes() == 60 * 128 * 4
    assert not features.kept.requires_grad
    assert model.network.training
    with evaluating(model.network):
        batch = batches.batch([7, 3])
        assert torch.allclose(features.forward(batch), model.forward(batch), atol=1e-6)


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_stop_and_a_resumption_give_the_same_bits(model, tmp_path, precision):
    hp, batches = HP.replace(precision=precision), batches_for("classify")
    whole, stopped, resumed = model.copy(), model.copy(), model.copy()
    history = fit(whole, batches, hp)
    for step in train_steps(stopped, batches, hp, run=tmp_path / "r"):
        if step.n == 11:
            break
    assert fit(resumed, batches, hp, run=tmp_path / "r").losses == history.losses
    for a, b in zip(whole.network.parameters(), resumed.network.parameters()):
        assert torch.equal(a, b)


def test_a_finished_run_computes_nothing(model, tmp_path, computed):
    batches = batches_for("classify")
    fit(model.copy(), batches, HP, run=tmp_path / "r")
    model.core.proven_fast()
    computed.clear()
    fit(model, batches, HP, run=tmp_path / "r")
    assert not computed


def layers_too(model):
    return dict(groups=[dict(params=list(model.network.parameters()), weight_decay=0.0, scale=1.0)])


@pytest.mark.parametrize(
    "why, given",
    [
        ("a loss of your own", lambda m: dict(loss=lambda model, batch: model.loss(batch))),
        ("something besides the head learns .bert.embeddings", layers_too),
        ("no Batches", lambda m: dict(batches=list(batches_for("classify")), total=3)),
    ],
)
def test_what_it_cannot_serve_is_refused_with_a_cure(model, why, given):
    arguments = {"batches": batches_for("classify"), **given(model)}
    with pytest.raises(CourseError, match=f"^train='head-cached' does not serve here: .*{why}.*Use train='head'$"):
        list(train_steps(model, hp=HP, **arguments))


@pytest.mark.parametrize("kind", ["span", "mlm", "lm"])
def test_models_whose_head_reads_every_token_are_refused(kind):
    if kind == "span":
        model, batches = load_model("tiny-bert", head="span"), batches_for("span")
    else:
        model = load_model("tiny-bert" if kind == "mlm" else "tiny-gpt", head="lm")
        batches = Batches([Example([5, 6, 7], None, row=0)], 1)
    assert model.kind == kind
    tied = 'train="head" leaves nothing to learn'
    with pytest.raises(CourseError, match=tied if kind == "lm" else f"a '{kind}' model reads every token.* Use train"):
        fit(model, batches, HP)


def test_networks_that_have_no_fast_forward_are_refused(tmp_path, model):
    other = made("modernbert", "classify", tmp_path)
    with pytest.raises(CourseError, match="it is for BERT, .* this is ModernBertFor.* on cpu. Use train='head'"):
        fit(other, batches_for("classify"), HP)
    hook = model.network.bert.encoder.layer[0].register_forward_hook(lambda *a: None)
    with pytest.raises(CourseError, match="without hooks"):
        fit(model, batches_for("classify"), HP)
    hook.remove()
    with pytest.raises(CourseError, match="a bare network"):
        fit(torch.nn.Linear(2, 2), [torch.zeros(1, 2)], HP, loss=lambda m, b: (m(b).sum(), 1))


def test_an_example_without_tokens_is_refused_and_the_run_folder_is_free_again(model, tmp_path):
    examples = [*batches_for("classify").examples, Example([], 0, row=60)]
    with pytest.raises(CourseError, match="an example has no token"):
        fit(model, Batches(examples, 8), HP, run=tmp_path / "r")
    message = "holds a run with other arguments"  # and not that somebody has it open
    with pytest.raises(CourseError, match=message):
        fit(model, batches_for("classify"), HP, run=tmp_path / "r")


def test_the_command_line_and_a_wrong_word(tmp_path):
    out = tmp_path / "m"
    main(f"fine-tune reviews --model tiny-bert --rows 16 --epochs 1 --train head-cached --out {out}".split())
    assert (out / "config.json").exists()
    with pytest.raises(CourseError, match="'head-cached'"):
        HyperParams(train="cached")
