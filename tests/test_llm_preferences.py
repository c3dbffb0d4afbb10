"""The five losses on pairs beside trl's, on the same batch: values and gradients; and what trl does with a model that
was changed in memory.
"""

import copy
import math
import warnings

import pytest

trl = pytest.importorskip("trl")

import torch  # noqa: E402
from datasets import Dataset  # noqa: E402

from ftcourse.core.hparams import HyperParams  # noqa: E402
from ftcourse.losses.preference import LOSSES, PairLogps, completion_logps, orpo_loss  # noqa: E402
from ftcourse.models.load import load_model  # noqa: E402
from ftcourse.recipes import set_up  # noqa: E402
from ftcourse.tasks.preferences import PairLoss, pair_tokens, preference_pairs, preference_rows  # noqa: E402

ROWS = preference_rows("length", "train", 3) + preference_rows("rule", "train", 3)  # of unequal lengths


@pytest.fixture(scope="module")
def ours():
    "Model, batch and reference: a model that has moved away from its reference, in 64 bits."
    task = preference_pairs("rule", 6, test_rows=2)
    task = type(task)(**vars(task) | {"splits": type(task.splits)(train=Dataset.from_list(ROWS))})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        setup = set_up("tiny-gpt", task, HyperParams(preference_loss="kto", seed=1))
    model = setup.model
    reference = copy.deepcopy(model.network)
    moves = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.network.parameters():
            p.add_(0.02 * p.std() * torch.randn(p.shape, generator=moves) if p.ndim > 1 else 0.0)
    model.network.double().train()
    reference.double().eval()
    model.core.direct = False  # by transformers' own forward, as trl
    batch = setup.batches.batch(range(6))
    before = load_model(model)
    before.network = reference
    before.core.network, before.core.direct = reference, False
    with torch.no_grad():
        batch.reference = completion_logps(before, batch)[0].view(3, 6)
    return model, batch, reference


def mine(ours, name, beta=None, **more):
    "Our loss and gradient."
    model, batch, _ = ours
    model.network.zero_grad()
    total, n = PairLoss(name, beta or LOSSES[name].beta, **more)(model, batch)
    (total / n).backward()
    return float(total) / n, {k: p.grad.clone() for k, p in model.network.named_parameters()}


def theirs(trainer, network, loss):
    "trl's loss and gradient."
    network.zero_grad()
    value = loss(trainer)
    value.backward()
    return float(value), {k: p.grad.clone() for k, p in network.named_parameters()}


def same(a, b):
    """Value to 1e-6 of its size, and gradient to 1e-6 of its norm: trl's fused head (kernels/chunked_logprob)
    multiplies in 32 bits, whatever the model's own are.
    """
    assert abs(a[0] - b[0]) <= 1e-6 * max(1.0, abs(a[0])), (a[0], b[0])
    norm = float(torch.stack([g.norm() for g in a[1].values()]).norm())
    for name, g in a[1].items():
        assert float((g - b[1][name]).abs().max()) <= 1e-6 * norm, name


def config(kind, folder, **more):
    return kind(output_dir=str(folder), use_cpu=True, bf16=False, report_to="none", **more)


def trainer_of(kind, args, ours, **more):
    model, _, _ = ours
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(
            model=model.network,
            args=args,
            train_dataset=Dataset.from_list(ROWS),
            processing_class=copy.deepcopy(model.tokenizer),
            **more,
        )


def test_pairs_become_the_same_tokens_as_in_trl(ours, tmp_path):
    trainer = trainer_of(trl.DPOTrainer, config(trl.DPOConfig, tmp_path), ours, ref_model=copy.deepcopy(ours[2]))
    for row, seen in zip(ROWS, trainer.train_dataset):
        assert pair_tokens(row, ours[0].tokenizer) == (seen["prompt_ids"], seen["chosen_ids"], seen["rejected_ids"])


@pytest.mark.parametrize("name, theirs_name", [("dpo", "sigmoid"), ("ipo", "ipo")])
def test_dpo_and_ipo_are_trls(ours, tmp_path, name, theirs_name):
    model, batch, reference = ours
    args = config(trl.DPOConfig, tmp_path, loss_type=[theirs_name], beta=0.3)
    trainer = trainer_of(trl.DPOTrainer, args, ours, ref_model=copy.deepcopy(reference))
    two = batch.part(0, 12)
    inputs = dict(input_ids=two.ids, attention_mask=two.mask.long(), completion_mask=two.supervised.long())
    same(mine(ours, name, 0.3), theirs(trainer, model.network, lambda t: t._compute_loss(model.network, inputs, False)))


def test_the_sft_term_is_trls_where_completions_are_equally_long(ours, tmp_path):
    "trl takes the mean over the tokens of a batch, we of each pair first."
    model, batch, reference = ours
    args = config(trl.DPOConfig, tmp_path, loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.4], beta=0.3)
    trainer = trainer_of(trl.DPOTrainer, args, ours, ref_model=copy.deepcopy(reference))
    inputs = lambda b: dict(input_ids=b.ids, attention_mask=b.mask.long(), completion_mask=b.supervised.long())
    one = [slice(2, 3), slice(8, 9)]  # one pair: there the two means are the same
    pair = type(batch)(
        *(torch.cat([getattr(batch, k)[s] for s in one]) for k in ("ids", "mask")),
        supervised=torch.cat([batch.supervised[s] for s in one]),
        pairs=1,
        reference=batch.reference[:, 2:3],
    )
    model.network.zero_grad()
    total, n = PairLoss("dpo", 0.3, 0.4)(model, pair)
    value = trainer._compute_loss(model.network, inputs(pair), False)
    assert n == 1 and abs(float(total) - float(value)) <= 1e-6 * float(total)


def test_kto_is_trls(ours, tmp_path):
    model, batch, reference = ours
    pairs = [(r["prompt"], r[k], k == "chosen") for r in ROWS for k in ("chosen", "rejected")]
    rows = Dataset.from_list([{"prompt": p, "completion": c, "label": good} for p, c, good in pairs])
    args = config(trl.KTOConfig, tmp_path, beta=0.3, per_device_train_batch_size=6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = trl.KTOTrainer(
            model=model.network,
            ref_model=copy.deepcopy(reference),
            args=args,
            train_dataset=rows,
            processing_class=copy.deepcopy(model.tokenizer),
        )
    two, foreign = batch.part(0, 12), batch.part(12, 18)
    inputs = dict(
        input_ids=two.ids,
        attention_mask=two.mask.long(),
        completion_mask=two.supervised.long(),
        label=torch.tensor([True] * 6 + [False] * 6),
        KL_input_ids=foreign.ids,
        KL_attention_mask=foreign.mask.long(),
        KL_completion_mask=foreign.supervised.long(),
    )
    same(
        mine(ours, "kto", 0.3), theirs(trainer, model.network, lambda t: t._compute_loss(model.network, inputs, False))
    )


def paired(batch):
    "A batch as trl's CPO and ORPO take it."
    found = {}
    for name, rows in (("chosen", slice(0, 6)), ("rejected", slice(6, 12))):
        ids, mask = batch.ids[rows], batch.mask[rows]
        found |= {
            f"{name}_input_ids": ids,
            f"{name}_attention_mask": mask.long(),
            f"{name}_labels": ids.masked_fill(~batch.supervised[rows], -100),
        }
    return found


def test_simpo_is_trls(ours, tmp_path):
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    model, batch, _ = ours
    args = config(CPOConfig, tmp_path, loss_type="simpo", cpo_alpha=0.0, beta=2.0, simpo_gamma=1.0)
    trainer = trainer_of(CPOTrainer, args, ours)
    same(
        mine(ours, "simpo", 2.0),
        theirs(trainer, model.network, lambda t: t.get_batch_loss_metrics(model.network, paired(batch))[0]),
    )


def test_orpo_is_trls_and_what_trl_learns_of_the_prompt_is_added(ours, tmp_path):
    """The odds ratio is the same; the likelihood is not: trl takes the mean over all tokens of a batch, the prompt's
    too, the paper over the completion of each pair.
    """
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    model, batch, _ = ours
    trainer = trainer_of(ORPOTrainer, config(ORPOConfig, tmp_path, beta=0.3), ours)
    b = paired(batch)
    full = theirs(trainer, model.network, lambda t: t.get_batch_loss_metrics(model.network, b)[0])
    model.network.zero_grad()
    logps, tokens = completion_logps(model, batch.part(0, 12))
    labels = b["chosen_input_ids"].masked_fill(b["chosen_attention_mask"] == 0, -100)
    out = model.network(b["chosen_input_ids"], attention_mask=b["chosen_attention_mask"]).logits
    nll = torch.nn.functional.cross_entropy(out[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
    total, n = orpo_loss(PairLogps(logps[:6], logps[6:], tokens[:6], tokens[6:]), 0.3, nll=nll.expand(6))
    (total / n).backward()
    same((float(total) / n, {k: p.grad.clone() for k, p in model.network.named_parameters()}), full)
    assert abs(mine(ours, "orpo", 0.3)[0] - full[0]) > 0.05


def test_trl_reloads_its_reference_from_disk_where_a_model_was_changed_in_memory(tmp_path):
    "So its first loss is not ln 2; ours is, since the reference is computed from the model as it is given."
    from ftcourse.recipes import fine_tune_model

    task = preference_pairs("rule", 16, test_rows=2)
    M = fine_tune_model("tiny-gpt", task, lr=3e-4, max_steps=6, seed=0)
    firsts = {}
    for name, reference in (("from disk", None), ("a copy", copy.deepcopy(M.network))):
        args = config(
            trl.DPOConfig, tmp_path / name, max_steps=1, per_device_train_batch_size=16, logging_steps=1, seed=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = trl.DPOTrainer(
                model=copy.deepcopy(M.network),
                ref_model=reference,
                args=args,
                train_dataset=task.train,
                processing_class=copy.deepcopy(M.tokenizer),
            )
            trainer.train()
        firsts[name] = next(r["loss"] for r in trainer.state.log_history if "loss" in r)
    assert abs(firsts["a copy"] - math.log(2)) < 1e-3
    assert firsts["from disk"] < math.log(2) - 0.05, firsts
    again = fine_tune_model(M, task, lr=3e-4, max_steps=1, seed=0, warmup=0)
    assert abs(again.history.losses[0] - math.log(2)) < 1e-5
    print(f"first loss with a reference from disk {firsts['from disk']:.3f}, with a copy {firsts['a copy']:.4f}")
