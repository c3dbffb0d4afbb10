"""The cases of ../shared/cases beyond loading data: scores (m), answers (q), losses (l), runs (r), each through the
package. By hand.

A test has the name of its case. Small cases are carried here, so that they run without the folder; where the folder is,
what is carried must be what it says. The data cases d* are in test_cases_data.py; r01, r02, r04, r05, l01 and l08 have
tests of their own in lesson 07, and m03, q04 and q08 stand with the tasks they belong to.
"""

import json
import math
import warnings
from itertools import pairwise
from pathlib import Path

import cases
import numpy as np
import pytest
import torch

from ftcourse import metrics
from ftcourse.core.errors import CourseError
from ftcourse.core.hparams import HyperParams
from ftcourse.data.batches import Batches
from ftcourse.data.encode.examples import Examples
from ftcourse.data.encode.texts import encode, encode_task
from ftcourse.losses import causal_loss, cross_entropy, mean_loss
from ftcourse.metrics.evaluation import evaluate
from ftcourse.metrics.report import label_order, score_notes
from ftcourse.models.load import load_model
from ftcourse.train.loop import fit, train_steps

CARRIED = {
    "q01-squad-em-f1-multi-gold": (
        {
            "pairs": [
                {"prediction": "the Eiffel Tower.", "gold": ["Eiffel tower"]},
                {"prediction": "in 1889", "gold": ["the year 1889", "1889"]},
                {"prediction": "Eiffel", "gold": ["the tower of Eiffel", "Paris"]},
            ]
        },
        {
            "per_item": [{"em": 1, "f1": 1}, {"em": 0, "f1": 2 / 3}, {"em": 0, "f1": 0.5}],
            "exact_match": 100 / 3,
            "f1": 650 / 9,
        },
    ),
    "m02-binary-f1-positive-class": (
        {
            "y_true": [1, 1, 1, 0, 0],
            "y_pred": [1, 0, 0, 0, 0],
            "positive": 1,
            "also_with_string_labels": {
                "y_true": ["yes", "yes", "yes", "no", "no"],
                "y_pred": ["yes", "no", "no", "no", "no"],
                "positive": "yes",
            },
        },
        {"f1": 0.5, "f1_negative_class": 2 / 3, "macro": 7 / 12, "accuracy": 0.6},
    ),
    "m04-constant-predictions": (
        {"y_true": [1, 1, 1, 0], "y_pred": [1, 1, 1, 1]},
        {
            "accuracy": 0.75,
            "mcc": 0,
            "macro_f1": 3 / 7,
            "balanced_accuracy": 0.5,
            "majority_baseline_accuracy": 0.75,
            "distinct_predictions": 1,
        },
    ),
    "m08-mnli-label-order": (
        {
            "model_id2label": {"0": "CONTRADICTION", "1": "NEUTRAL", "2": "ENTAILMENT"},
            "dataset_names": ["entailment", "neutral", "contradiction"],
            "predicted_model_ids": [0, 2, 1, 0],
            "references_dataset_ids": [2, 0, 1, 2],
            "generic_model_id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"},
        },
        {"aligned_predictions": [2, 0, 1, 2], "accuracy": 1},
    ),
    "l03-eval-loss-last-batch": (
        {"per_example_losses_batch4": [[0.2, 0.4, 0.6, 0.8], [0.1, 0.1, 0.1, 0.1], [3.0]]},
        {"eval_loss": 0.6},
    ),
    "l04-perplexity-padding": (
        {
            "token_nll": [[0.1, 0.2, 0.1, 9.0, 9.0], [0.3, 0.5, 0.1, 0.4, 0.2]],
            "mask": [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]],
        },
        {"corpus_perplexity": math.exp(1.9 / 8), "n_tokens": 8},
    ),
    "l07-shift-once": (
        {
            "input_ids": [0, 1, 2, 3],
            "logits": [
                [-10.0, 10.0, -10.0, -10.0],
                [-10.0, -10.0, 10.0, -10.0],
                [-10.0, -10.0, -10.0, 10.0],
                [-10.0, -10.0, -10.0, -10.0],
            ],
        },
        {"loss": math.log1p(3 * math.exp(-20)), "pairs_position_to_target": [[0, 1], [1, 2], [2, 3]]},
    ),
    "l10-label-smoothing-ignore-index": (
        {"logits": [[2.0, 0.0, -1.0], [0.0, 1.0, 0.0], [5.0, -5.0, 0.0]], "labels": [0, 1, -100], "smoothing": 0.1},
        {"loss": 0.47731203341083506},
    ),
}


def agrees(a, b):
    "Whether what is carried (a) says the same as the folder (b), which may say more."
    if isinstance(a, dict):
        return isinstance(b, dict) and all(k in b and agrees(v, b[k]) for k, v in a.items())
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(agrees, a, b))
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) if isinstance(a, (int, float)) else a == b


def case(name):
    "(input, expected, known wrong values) of a case: from the folder, else carried, else the test is skipped."
    x = cases.read(name)
    if x is None:
        return (*CARRIED[name], []) if name in CARRIED else cases.skip()
    if name in CARRIED:
        given, wanted = CARRIED[name]
        assert agrees(given, x["input"]), f"the input of {name} carried here is not that of the folder"
        assert agrees(wanted, x["expected"]), f"what {name} expects here is not what the folder says"
    return x["input"], x["expected"], [w["value"] for w in x["known_wrong"]]


def right(got, wanted, wrong=(), tolerance=1e-6):
    "The right value, and none of the wrong ones that are numbers."
    assert got == pytest.approx(wanted, abs=tolerance)
    for w in wrong:
        if isinstance(w, (int, float)):
            assert got != pytest.approx(w, abs=tolerance)


# ---------------------------------------------------------------- answers


def test_q01_squad_em_f1_multi_gold():
    given, wanted, wrong = case("q01-squad-em-f1-multi-gold")
    em = [metrics.exact_match(p["prediction"], p["gold"]) for p in given["pairs"]]
    f1 = [metrics.token_f1(p["prediction"], p["gold"]) for p in given["pairs"]]
    assert em == [x["em"] for x in wanted["per_item"]]
    assert f1 == pytest.approx([x["f1"] for x in wanted["per_item"]])
    right(100 * sum(em) / len(em), wanted["exact_match"])
    right(100 * sum(f1) / len(f1), wanted["f1"], wrong)


def test_q03_chinese_squad_f1():
    given, wanted, _ = case("q03-chinese-squad-f1")
    pair = given["prediction"], given["gold"]
    assert metrics.exact_match(*pair) == wanted["squad_v1"]["em"]
    assert metrics.token_f1(*pair) == wanted["squad_v1"]["f1"]
    right(metrics.char_f1(*pair), wanted["char_f1"])


def test_q09_overlong_question():
    given, wanted, _ = case("q09-overlong-question")
    tokenizer = load_model("tiny-bert", head="lm").tokenizer

    def examples(*questions, **how):
        answers = {"text": ["because"], "answer_start": [0]}
        return encode(
            [{"question": q, "context": given["context"], "answers": answers} for q in questions],
            tokenizer,
            kind="span",
            text=("question", "context"),
            label="answers",
            max_length=given["max_length"],
            **how,
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = examples(given["question"])
        assert len(one) == 1
        assert len(one[0]) < given["max_length"]
        assert min(one.labels[0]) > 0
        with pytest.raises(CourseError, match="row 0") as refused:
            examples(given["question_b"])
        for word in (wanted["question_b"]["error"], *wanted["question_b"]["must_mention"]):
            assert str(word) in str(refused.value)
        both = examples(given["question_b"], given["question"], on_bad="skip")
    assert both.rows.tolist() == [1], "one bad row does not stop the others"
    assert len(both.problems) == 1, "one bad row does not stop the others"


# ---------------------------------------------------------------- scores


def test_m02_binary_f1_positive_class():
    given, wanted, wrong = case("m02-binary-f1-positive-class")
    for x in (given, given["also_with_string_labels"]):
        pair = x["y_true"], x["y_pred"]
        other = next(v for v in x["y_true"] if v != x["positive"])
        right(metrics.f1(*pair, "binary", positive=x["positive"]), wanted["f1"], wrong)
        right(metrics.f1(*pair, "binary", positive=other), wanted["f1_negative_class"])
        right(metrics.f1(*pair, "macro"), wanted["macro"])
        right(metrics.accuracy(*pair), wanted["accuracy"])


def test_m04_constant_predictions():
    given, wanted, _ = case("m04-constant-predictions")
    true, pred = np.array(given["y_true"]), np.array(given["y_pred"])
    scores = {
        "accuracy": metrics.accuracy,
        "mcc": metrics.matthews,
        "macro_f1": metrics.f1,
        "balanced_accuracy": metrics.balanced_accuracy,
    }
    for name, score in scores.items():
        right(score(true, pred), wanted[name])
    right(metrics.majority(true), wanted["majority_baseline_accuracy"])
    assert any("single class" in said and "'pos'" in said for said in score_notes(true, pred, ["neg", "pos"]))


def test_m05_correlation_undefined():
    given, wanted, _ = case("m05-correlation-undefined")
    for score in (metrics.pearson, metrics.spearman):
        with pytest.warns(metrics.Undefined, match=wanted["status"]):
            assert score(given["gold"], given["constant_predictions"]) is None
        with pytest.raises(CourseError, match="at least 2 rows"):
            score(given["single_row"]["gold"], given["single_row"]["pred"])
    assert metrics.best_index([None, 0.3, None]) == 1
    assert not metrics.better(None, 0.1)
    assert json.dumps(wanted["pearson"]) == "null"


def test_m06_regression_argmax_and_ties():
    given, wanted, wrong = case("m06-regression-argmax-and-ties")
    logits = np.array(given["logits"])
    assert logits.shape == (len(given["gold"]), 1)
    right(metrics.pearson(given["gold"], logits), wanted["pearson"])
    right(metrics.spearman(given["gold"], logits), wanted["spearman"], wrong)


def test_m08_mnli_label_order():
    given, wanted, wrong = case("m08-mnli-label-order")
    names = list(given["model_id2label"].values())
    true = np.array(given["references_dataset_ids"])
    order, notes = label_order(names, given["dataset_names"])
    logits = np.eye(3)[given["predicted_model_ids"]][:, order]
    assert logits.argmax(-1).tolist() == wanted["aligned_predictions"]
    assert "aligned by name" in notes[0]
    right(metrics.accuracy(true, logits.argmax(-1)), wanted["accuracy"], wrong)
    generic, said = label_order(list(given["generic_model_id2label"].values()), given["dataset_names"])
    assert generic is None
    assert "carry no meaning" in said[0]
    reader = load_model("tiny-bert", head="classify", labels=names, seed=0)
    texts = ["one film", "two long films", "three"]
    before = reader.predict(texts)
    assert reader.align(given["dataset_names"]) == order
    assert reader.reorder(given["dataset_names"]).predict(texts) == [x.lower() for x in before]


# ---------------------------------------------------------------- losses


def test_l03_eval_loss_last_batch():
    given, wanted, wrong = case("l03-eval-loss-last-batch")
    losses = [x for batch in given["per_example_losses_batch4"] for x in batch]
    for size in (1, 4, 9):
        bounds = [*range(0, len(losses), size), len(losses)]
        right(mean_loss((sum(losses[a:b]), b - a) for a, b in pairwise(bounds)), wanted["eval_loss"], wrong)
    model = load_model("tiny-bert", head="classify", labels=["a", "b"], seed=0)
    rows = encode(
        [{"text": text, "label": i % 2} for i, text in enumerate(["good", "a long and dull film"] * 4 + ["bad"])],
        model.tokenizer,
        kind="classify",
        text="text",
        label="label",
    )
    wanted_loss = pytest.approx(evaluate(model, rows)["loss"], abs=1e-6)
    for size in (1, 4, 9):
        assert evaluate(model, rows, batch_size=size)["loss"] == wanted_loss


def test_l04_perplexity_padding():
    given, wanted, wrong = case("l04-perplexity-padding")
    nll, mask = np.array(given["token_nll"]), np.array(given["mask"], bool)
    assert mask.sum() == wanted["n_tokens"]
    right(metrics.perplexity(nll[mask].sum(), mask.sum()), wanted["corpus_perplexity"], wrong)
    if "per_text_perplexity" in wanted:
        each = [metrics.perplexity(x[m].sum(), m.sum()) for x, m in zip(nll, mask)]
        assert each == pytest.approx(wanted["per_text_perplexity"])
    speaker = load_model("tiny-gpt", head="lm")
    texts = encode(
        [{"text": text} for text in ("The soup was warm.", "Good.", "The film was long, and we left early.")],
        speaker.tokenizer,
        kind="lm",
        text="text",
    )
    wanted_perplexity = pytest.approx(evaluate(speaker, texts)["perplexity"], rel=1e-5)
    for size in (1, 2):
        assert evaluate(speaker, texts, batch_size=size)["perplexity"] == wanted_perplexity


def test_l06_pad_is_eos():
    given, wanted, _ = case("l06-pad-is-eos")
    mask = torch.tensor(given["attention_mask"])
    texts = [ids[: sum(row)] for ids, row in zip(given["input_ids"], given["attention_mask"])]
    examples = Examples.from_lists(texts, kind="lm")
    batch = next(iter(Batches(examples, 3, shuffle=False, buckets=False, pad_id=given["pad_id"])))
    assert torch.equal(batch.mask, mask.bool()), "the mask goes by length, not by the id"
    assert batch.ids.tolist() == given["input_ids"], "the mask goes by length, not by the id"
    labels = batch.ids.masked_fill(~batch.mask, -100)
    assert labels.tolist() == wanted["labels"]
    assert (labels != -100).sum() == wanted["trained_tokens"]
    guess = torch.zeros(3, 5, 10, requires_grad=True)
    total, count = causal_loss(guess, batch.ids, batch.mask)
    total.backward()
    assert count == wanted["trained_tokens"] - len(texts), (
        "the first token of a row has nothing before it to be guessed from"
    )
    assert guess.grad[0, 1, given["eos_id"]] < 0, "the real end is learned, the padding is not"
    assert not guess.grad[0, 2:].any(), "the real end is learned, the padding is not"


def test_l07_shift_once():
    given, wanted, wrong = case("l07-shift-once")
    ids = torch.tensor([given["input_ids"]])
    logits = torch.tensor([given["logits"]], dtype=torch.float64, requires_grad=True)
    total, count = causal_loss(logits, ids, torch.ones_like(ids).bool())
    total.backward()
    right(float(total.detach() / count), wanted["loss"], wrong, 1e-12)
    # a target is what the gradient pulls up
    pairs = [[at, int(logits.grad[0, at].argmin())] for at in range(4) if logits.grad[0, at].any()]
    assert pairs == wanted["pairs_position_to_target"]
    assert count == 3


def test_l10_label_smoothing_ignore_index():
    given, wanted, wrong = case("l10-label-smoothing-ignore-index")
    total, count = cross_entropy(
        torch.tensor(given["logits"]), torch.tensor(given["labels"]), smoothing=given["smoothing"]
    )
    assert count == 2
    right(float(total / count), wanted["loss"], wrong)


# ---------------------------------------------------------------- runs


def test_r06_seed_before_head():
    from ftcourse.data.load.load import load_task

    task = load_task("reviews").take(16, seed=0)

    def run(seed):
        model = load_model("tiny-bert", task=task, seed=seed)
        head = model.network.classifier.weight.detach().clone()
        batches = Batches(encode_task(task, "train", model.tokenizer, 128), 8, seed=seed)
        first = next(batches.epoch(0)).ids
        history = fit(model, batches, HyperParams(epochs=2, batch_size=8, lr=5e-4, seed=seed))
        return head, first, history.losses

    torch.manual_seed(1)  # whatever was drawn before must not matter
    runs = []
    for _ in range(3):
        runs.append(run(42))
        torch.rand(7)
    for head, first, losses in runs[1:]:
        assert torch.equal(head, runs[0][0])
        assert torch.equal(first, runs[0][1])
        assert losses == runs[0][2]
    head, first, losses = run(43)
    assert not torch.equal(head, runs[0][0])
    assert losses != runs[0][2]


def test_r07_eval_mode():
    given, _, _ = case("r07-eval-mode")
    from ftcourse.data.load.load import load_task

    task = load_task("reviews").take(16, seed=0)
    model = load_model("tiny-bert", task=task, seed=0)

    def asked():
        one, two = (model.probabilities(given["texts"]) for _ in range(given["calls"]))
        return np.array_equal(one, two)

    batches = Batches(encode_task(task, "train", model.tokenizer, 128), 8, seed=0)
    flags = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert asked()
        assert not model.network.training
        for _ in train_steps(model, batches, HyperParams(epochs=1, batch_size=8, lr=5e-4)):
            assert model.network.training
            assert asked()
            flags.append(all(m.training for m in model.network.modules()))
        assert flags == [True, True]
        assert not model.network.training
        model.network.train()
        assert asked()
        assert model.network.training
        with torch.enable_grad():
            model.predict(given["texts"])
    graphs = [name for name, p in model.network.named_parameters() if p.grad is not None and p.grad.requires_grad]
    assert graphs == []


# ---------------------------------------------------------------- what is not lost from sight


def test_every_case_of_these_kinds_has_a_test_by_its_name():
    if not cases.CASES.is_dir():
        cases.skip()
    elsewhere = {"m03", "q04", "q08"}  # with their tasks: topics and question answering
    folder = Path(__file__).parent
    text = "\n".join(p.read_text(encoding="utf-8") for p in [*folder.glob("test_*.py"), *folder.glob("*/test_*.py")])
    ids = {p.stem[:3] for p in cases.CASES.glob("*.json") if p.stem[0] in "dqmlr"}
    assert sorted(i for i in ids - elsewhere if f"def test_{i}_" not in text) == []
