"Real models and real rows, where they are; and the record of what was measured with them."

import json
import math
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "measure"))
import real  # noqa: E402


@pytest.fixture(scope="module")
def minilm():
    try:
        return real.find(real.ENCODER)
    except real.Absent as e:
        pytest.skip(f"no MiniLM: {e}")


@pytest.fixture(scope="module")
def sst2():
    from ftcourse import load_task

    try:
        return load_task(real.sst2())
    except real.Absent as e:
        pytest.skip(f"no SST-2: {e}")


def test_dev_is_the_scored_split_and_validation_is_cut_from_train(sst2):
    assert len(sst2.test) == real.TEST_ROWS
    assert sst2.labels == ["0", "1"]
    assert 300 <= len(sst2.validation) <= 500
    assert len(sst2.train) + len(sst2.validation) == 4000
    assert sst2.kind == "classify"
    assert sst2.text == ("sentence",)
    assert any("dev" in n for n in sst2.notes)


def test_a_real_encoder_loads_and_learns_from_real_rows(minilm, sst2):
    import torch

    from ftcourse import load_model
    from ftcourse.core.hparams import HyperParams
    from ftcourse.data.batches import Batches
    from ftcourse.data.encode.texts import encode_task
    from ftcourse.train.loop import fit

    model = load_model(minilm, task=sst2, seed=0)
    assert sum(p.numel() for p in model.network.parameters()) > 22e6
    assert model.new, "the head should be new"
    others = [n for n in model.new if not n.startswith("classifier")]
    assert others == [], "only the head should be new: the pooler is in the checkpoint"
    words = model.network.get_input_embeddings().weight
    other = load_model(minilm, task=sst2, seed=1).network.get_input_embeddings().weight
    assert torch.equal(words, other), "a checkpoint's weights do not depend on the seed"
    drawn = load_model(minilm, task=sst2, random=True, seed=0).network.get_input_embeddings().weight
    assert not torch.equal(words, drawn), "random weights are not the checkpoint's"
    train = encode_task(sst2.take(32, seed=0), "train", model.tokenizer, 64)
    assert train.unk_rate < 0.01
    history = fit(model, Batches(train, 8, seed=0), HyperParams(lr=1e-4, warmup=0, batch_size=8, max_steps=6, epochs=2))
    assert len(history.steps) == 6
    assert [s.loss for s in history.steps if not math.isfinite(s.loss)] == []
    assert min(s.grad_norm for s in history.steps) > 0
    answers = model.predict(["a charming and affecting film .", "bleak and tedious ."])
    assert set(answers) <= set(sst2.labels)


def test_the_tokenizer_is_the_one_the_checkpoint_was_trained_with(minilm):
    from ftcourse import load_model
    from ftcourse.core.settings import data_folder

    model = load_model(minilm, head="classify", labels=["a", "b"])
    assert len(model.tokenizer) == 30522
    assert model.network.config.vocab_size == 30522
    ids = model.tokenizer("An unflinchingly bleak film.")["input_ids"]
    assert model.tokenizer.convert_ids_to_tokens(ids[:2]) == ["[CLS]", "an"]
    words = data_folder() and data_folder() / "bert_repo" / "vocab_uncased_30522.txt"
    if words and words.exists():
        listed = words.read_text(encoding="utf-8").splitlines()
        assert sorted(model.tokenizer.vocab.items(), key=lambda x: x[1]) == [(w, i) for i, w in enumerate(listed)]


def test_mixed_precision_on_a_cpu_without_it_is_warned_about(monkeypatch):
    import torch

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine trains on an accelerator")
    from ftcourse import fine_tune_model

    for cost in (30.0, 0.5):
        for module in ("update", "hardware"):
            monkeypatch.setattr(f"ftcourse.train.{module}.product_cost", lambda precision, cost=cost: cost)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            fine_tune_model("tiny-bert", "reviews", rows=8, max_steps=1, precision="bf16")
        said = [str(w.message) for w in seen if "bf16" in str(w.message)]
        slower = "bf16 matrix products take 30.0 times as long as fp32 on this machine: precision='no' is faster here"
        assert said == ([slower] if cost > 1 else [])


def test_what_was_measured_meets_the_aims():
    record = json.loads((ROOT / "measure" / "real.json").read_text(encoding="utf-8"))
    assert record["machine"]["date"]
    assert record["machine"]["cpu"]
    assert record["machine"]["versions"]["torch"]
    runs, found = record["encoder"], record["summary"]
    assert {(r["start"], r["seed"]) for r in runs} == {(s, i) for s in ("pretrained", "random") for i in range(3)}
    for r in runs:
        assert r["training_rows"] == real.ROWS
        assert r["test_rows"] == real.TEST_ROWS
        assert r["seconds"] > 0
        assert r["peak_mib"] > 0
        assert r["interval"][0] <= r["accuracy"] <= r["interval"][1]
    assert found["pretrained"]["mean"] >= real.AIMS["accuracy"]
    assert found["difference"]["mean"] >= real.AIMS["over random"]
    assert found == real.summary(runs), "the summary is not that of the runs"
    text = (ROOT / "measure" / "real.md").read_text(encoding="utf-8")
    assert text.strip() == real.written(record).strip(), "measure/real.md does not say what measure/real.json does"
