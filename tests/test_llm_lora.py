"""Low-rank updates are what PEFT computes, saves and loads; each way into a wrong answer is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ftcourse import fine_tune_model, load_model
from ftcourse.core.errors import CourseError
from ftcourse.core.settings import assets
from ftcourse.models.adapters import add_lora, load_adapter, low_rank_layers, use_update, without_update

ROOT = Path(__file__).resolve().parents[1]
IDS = torch.tensor([[5, 9, 14, 700, 33, 8], [41, 7, 2200, 6, 5, 30]])
VARIANTS = ("lora", "rslora", "dora")
SENTENCES = ["We loved the soup.", "The room was dirty.", "What a film!", "I would not come back."]


def moved(model, variant="lora", rank=3):
    "The model with an update that was trained, as far as numbers go."
    add_lora(model, rank, variant=variant)
    dice = torch.Generator().manual_seed(1)
    for layer in low_rank_layers(model).values():
        u = layer.updates["default"]
        with torch.no_grad():
            u.lora_B.normal_(std=0.1, generator=dice)
            if u.lora_magnitude is not None:
                u.lora_magnitude.mul_(1.1)
    model.network.eval()
    return model


def logits(network):
    "Of fixed ids, without dropout."
    with torch.no_grad():
        return network.eval()(IDS).logits


def near(a, b, share=1e-6):
    "Equal to a millionth of the largest number. A sum that is rounded in another order needs ten."
    return (a - b).abs().max() <= share * b.abs().max()


def run(code, *arguments):
    "What another process prints."
    env = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("variant", VARIANTS)
def test_peft_reads_our_adapter_and_computes_the_same(tmp_path, variant):
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    ours = moved(load_model("tiny-gpt"), variant)
    ours.save(tmp_path / "ours")
    base = AutoModelForCausalLM.from_pretrained(assets() / "tiny-gpt")
    theirs = peft.PeftModel.from_pretrained(base, tmp_path / "ours", is_trainable=True)
    share = 1e-5 if variant == "dora" else 1e-6  # PEFT divides by the lengths elsewhere
    assert near(logits(theirs), logits(ours.network), share)
    alone = peft.AutoPeftModelForCausalLM.from_pretrained(tmp_path / "ours")
    assert near(logits(alone), logits(ours.network), share)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_are_those_of_peft(tmp_path, variant):
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    ours = moved(load_model("tiny-gpt"), variant)
    ours.save(tmp_path / "ours")
    base = AutoModelForCausalLM.from_pretrained(assets() / "tiny-gpt")
    theirs = peft.PeftModel.from_pretrained(base, tmp_path / "ours", is_trainable=True).eval()
    found = []
    for network in (ours.network, theirs):
        network(input_ids=IDS, labels=IDS).loss.backward()
        learned = [(n, p.grad) for n, p in network.named_parameters() if p.requires_grad]
        short = {
            n.removeprefix("base_model.model.")
            .replace("updates.", "")
            .replace(".default", "")
            .replace("lora_magnitude_vector", "lora_magnitude")
            .removesuffix(".weight"): g
            for n, g in learned
        }
        found.append(short)
    mine, other = found
    assert mine.keys() == other.keys()
    assert len(mine) == 8 * (3 if variant == "dora" else 2)
    largest = max(g.abs().max() for g in other.values())
    for name in mine:
        assert (mine[name] - other[name]).abs().max() <= 1e-6 * largest, name


@pytest.mark.parametrize("variant", VARIANTS)
def test_we_read_peft_s_adapter_and_compute_the_same(tmp_path, variant):
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(assets() / "tiny-gpt")
    config = peft.LoraConfig(
        r=3,
        lora_alpha=5,
        target_modules=["c_attn", "c_fc"],
        fan_in_fan_out=True,
        use_rslora=variant == "rslora",
        use_dora=variant == "dora",
        init_lora_weights=False,  # PEFT then draws B too
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(0)
    theirs = peft.get_peft_model(base, config)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = load_model(tmp_path / "theirs")
    assert len(low_rank_layers(ours)) == 4
    assert near(logits(ours.network), logits(theirs), 1e-5 if variant == "dora" else 1e-6)
    assert near(logits(ours.merged().network), logits(theirs), 1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_merged_weights_are_those_of_peft_and_load_with_transformers_alone(tmp_path, variant):
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    ours = moved(load_model("tiny-gpt"), variant)
    ours.save(tmp_path / "ours")
    ours.merged().save(tmp_path / "merged")
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    base = AutoModelForCausalLM.from_pretrained(assets() / "tiny-gpt")
    theirs = peft.PeftModel.from_pretrained(base, tmp_path / "ours").merge_and_unload()
    for (name, p), q in zip(merged.named_parameters(), theirs.parameters()):
        assert (p - q).abs().max() <= 1e-6 * max(1, q.abs().max()), name
    assert near(logits(merged), logits(ours.network), 1e-5)


def test_a_classifier_saved_as_an_adapter_answers_alike_in_a_new_process(tmp_path):
    "Case p03: the head is saved with the adapter, and peft loads it too."
    M = fine_tune_model("tiny-bert", "reviews", rows=32, train="lora-2", max_steps=20)
    M.save(tmp_path / "reviews")
    code = (
        "import sys, json; from ftcourse import load_model; M = load_model(sys.argv[1]); "
        "print(json.dumps(M.predict(json.loads(sys.argv[2]), probabilities=True)[1].tolist()))"
    )
    first, second = (run(code, tmp_path / "reviews", json.dumps(SENTENCES)) for _ in range(2))
    assert first == second
    here = torch.tensor(M.predict(SENTENCES, probabilities=True)[1])
    assert (torch.tensor(json.loads(first)) - here).abs().max() <= 1e-6
    said = json.loads((tmp_path / "reviews" / "adapter_config.json").read_text())
    assert said["modules_to_save"] == ["classifier"]


def test_peft_loads_our_classifier_with_its_head(tmp_path):
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForSequenceClassification

    M = fine_tune_model("tiny-bert", "reviews", rows=32, train="lora-2", max_steps=20)
    M.save(tmp_path / "reviews")
    base = AutoModelForSequenceClassification.from_pretrained(assets() / "tiny-bert")
    theirs = peft.PeftModel.from_pretrained(base, tmp_path / "reviews").eval()
    x = M.tokenizer(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        assert near(theirs(**x).logits, M.network.eval()(**x).logits)


def test_an_adapter_is_refused_on_another_base_of_the_same_shape(tmp_path):
    moved(load_model("tiny-gpt")).save(tmp_path / "a")
    other = load_model("tiny-gpt", random=True, seed=4)
    with pytest.raises(CourseError, match="trained on weights with the hash .* have "):
        load_adapter(other, tmp_path / "a")


def test_a_base_that_is_nowhere_on_disk_is_saved_with_the_adapter(tmp_path):
    base = load_model("tiny-gpt", random=True, seed=4)
    ours = moved(base.copy())
    ours.save(tmp_path / "a")
    assert (tmp_path / "a" / "base" / "model.safetensors").is_file()
    assert torch.equal(logits(load_model(tmp_path / "a").network), logits(ours.network))


def test_the_network_is_the_same_until_an_update_is_trained():
    before = logits(load_model("tiny-gpt").network)
    for variant in VARIANTS:
        after = logits(add_lora(load_model("tiny-gpt"), 4, variant=variant).network)
        assert near(after, before) if variant == "dora" else torch.equal(after, before), variant


def test_several_updates_share_a_base_and_are_switched():
    ours = moved(load_model("tiny-gpt"))
    before, first = logits(load_model("tiny-gpt").network), logits(ours.network)
    add_lora(ours, 2, name="second")
    assert torch.equal(logits(ours.network), before)
    use_update(ours, "default")
    assert torch.equal(logits(ours.network), first)
    with without_update(ours):
        assert torch.equal(logits(ours.network), before)
    assert torch.equal(logits(ours.network), first)
    with pytest.raises(CourseError, match="no update 'third'.*'default', 'second'"):
        use_update(ours, "third")


def test_only_the_update_and_the_head_change(tmp_path):
    before = dict(load_model("tiny-bert").network.base_model.named_parameters())
    M = fine_tune_model("tiny-bert", "reviews", rows=32, train="lora-2", max_steps=5)
    after = {n.replace(".base.", "."): p for n, p in M.network.base_model.named_parameters()}
    assert all(torch.equal(after[n], p) for n, p in before.items() if n in after)
    assert any(u.updates["default"].lora_B.abs().max() > 0 for u in low_rank_layers(M).values())


def test_a_checkpoint_of_a_low_rank_run_holds_no_base(tmp_path):
    from safetensors import safe_open

    fine_tune_model("tiny-bert", "reviews", rows=32, train="lora-2", max_steps=4, run=tmp_path / "run")
    files = sorted((tmp_path / "run" / "checkpoints").glob("*/*.safetensors"))
    names = [n for f in files for n in safe_open(f, "pt").keys() if "model" in f.name or "weights" in f.name]
    assert names
    assert all(".updates." in n or n.startswith("classifier") for n in names)


@pytest.mark.parametrize(
    "given, said",
    [
        (dict(rank=0), "rank=0"),
        (dict(rank=129), "rank=129 is more than .* at most 128"),
        (dict(rank=2, variant="qora"), "variant='qora': choose one of lora"),
        (dict(rank=2, targets="query"), "no linear layer 'query'. There are .*c_attn"),
        (dict(rank=2, targets="lm_head"), "same matrix as the word table"),
        (dict(rank=2, name="a b"), "letters, digits"),
    ],
)
def test_what_cannot_be_adapted_is_refused_before_anything_changes(given, said):
    M = load_model("tiny-gpt")
    with pytest.raises(CourseError, match=said):
        add_lora(M, **given)
    assert not low_rank_layers(M)


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda f, c: (f / "adapter_model.safetensors").unlink(), "holds no adapter_model.safetensors"),
        (lambda f, c: (f / "adapter_config.json").write_text("{"), "no configuration of an adapter"),
        (lambda f, c: c.update(peft_type="IA3"), "of type IA3"),
        (lambda f, c: c.update(bias="all"), "bias='all'"),
        (lambda f, c: c.update(trainable_token_indices=[3]), "trainable_token_indices"),
    ],
)
def test_an_adapter_that_cannot_be_read_is_refused_with_its_file(tmp_path, spoil, said):
    moved(load_model("tiny-gpt")).save(tmp_path / "a")
    file = tmp_path / "a" / "adapter_config.json"
    config = json.loads(file.read_text())
    spoil(tmp_path / "a", config)
    if file.read_text() != "{":
        file.write_text(json.dumps(config))
    with pytest.raises(CourseError, match=said):
        load_model(tmp_path / "a")


def test_a_resized_vocabulary_saved_by_peft_does_not_fit_the_old_base(tmp_path):
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(assets() / "tiny-gpt")
    base.resize_token_embeddings(2810)
    config = peft.LoraConfig(
        r=2, target_modules=["c_attn"], fan_in_fan_out=True, modules_to_save=["wte"], task_type="CAUSAL_LM"
    )
    peft.get_peft_model(base, config).save_pretrained(tmp_path / "theirs")
    with pytest.raises(CourseError, match="vocabulary that was resized"):
        load_model(tmp_path / "theirs")


def test_an_update_of_another_rank_is_not_trained_on():
    M = fine_tune_model("tiny-bert", "reviews", rows=32, train="lora-2", max_steps=2)
    with pytest.raises(CourseError, match="has an update already, lora-2"):
        fine_tune_model(M, "reviews", rows=32, train="lora-4", max_steps=2)
    again = fine_tune_model(M, "reviews", rows=32, train="lora-2", max_steps=2)
    assert low_rank_layers(again)


def test_full_training_of_an_adapted_model_begins_with_the_merged_weights():
    M = fine_tune_model("tiny-bert", "reviews", rows=32, train="lora-2", max_steps=20)
    tuned = fine_tune_model(M, "reviews", rows=32, train="full", lr=1e-9, max_steps=1)
    assert not low_rank_layers(tuned)
    a, b = (torch.tensor(m.predict(SENTENCES, probabilities=True)[1]) for m in (M, tuned))
    assert (a - b).abs().max() < 1e-4


@pytest.mark.parametrize("kind", ["classify", "lm"])
def test_the_fast_forward_has_the_losses_and_gradients_of_the_slow_one(kind):
    from ftcourse import load_task
    from ftcourse.core.hparams import HyperParams
    from ftcourse.recipes import batches_of

    task = load_task("topics" if kind == "classify" else "world")
    for name in ("tiny-gpt", "tiny-bert")[: 1 if kind == "lm" else 2]:
        M = moved(load_model(name, task=task, dropout=0.0))
        batch = next(iter(batches_of(task, M.quick_tokenizer, HyperParams(max_length=64))))
        found = {}
        for M.core.direct in (True, False):
            M.network.zero_grad()
            total, count = M.loss(batch)
            (total / count).backward()
            grads = {n: p.grad.clone() for n, p in M.network.named_parameters() if p.grad is not None}
            found[M.core.direct] = (total / count).item(), grads
            assert not M.core.direct or M.core.fast.proven
        (fast, fast_grads), (slow, slow_grads) = found[True], found[False]
        assert fast == pytest.approx(slow, abs=1e-5)
        assert fast_grads.keys() == slow_grads.keys()
        largest = max(g.abs().max() for g in slow_grads.values())
        for n, g in slow_grads.items():
            assert (fast_grads[n] - g).abs().max() <= 1e-5 * largest, n
