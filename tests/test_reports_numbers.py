"Numbers that are true: intervals of rare classes, F1, typed special tokens, padding on the left, 64-bit floats."

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from ftcourse import CourseError, evaluate_model, load_model, load_task
from ftcourse.data.batches import Batches
from ftcourse.data.encode.chat import encode_chat
from ftcourse.data.encode.examples import Examples
from ftcourse.data.encode.texts import encode, encode_texts
from ftcourse.experiments.overfitting import average_weights
from ftcourse.metrics.evaluation import class_statistics, evaluate, statistics, strided_perplexity
from ftcourse.metrics.intervals import (
    COUNTED,
    CalibrationScore,
    ClassScore,
    CorrelationScore,
    LabelScore,
    RatioScore,
    fraction_interval,
    paired_bootstrap,
    paired_label_interval,
    resamples,
    share_interval,
    student_quantile,
    weighted_cells,
    weighted_labels,
)
from ftcourse.metrics.report import Report, interval_notes, score_notes
from ftcourse.metrics.scores import accuracy, calibration_error, f1, matthews, pearson, spearman

CASES = Path(__file__).resolve().parent.parent.parent / "shared" / "cases" / "turn2"
REVIEWS = ["the soup was cold", "good", "the waiter was kind, and the room was clean and warm", "we left happy"]


@pytest.fixture(scope="module")
def reader():
    return load_model("tiny-bert", head="classify", labels=["neg", "pos"])


# kind 8: intervals


def logits_of(pred, k):
    return np.eye(k)[pred] * 4.0


def test_a_perfect_model_of_three_positives_has_one_story():
    true = np.repeat([1, 0], [3, 97])
    of, _, _ = class_statistics(true, logits_of(true, 2))
    ends = {name: of[name].interval() for name in ("f1", "macro_f1", "mcc", "balanced_accuracy")}
    for name, (low, high) in ends.items():
        assert high == 1, name
        assert 0.3 < low < 0.95, name
    assert ends["f1"][0] < ends["macro_f1"][0]


def test_a_class_that_is_missed_wholly_is_missed_in_every_resample():
    true = np.repeat([0, 1, 2], [60, 60, 2])
    pred = np.where(true == 2, 0, true)
    low, high = ClassScore(f1, true, pred).interval()
    assert low < f1(true, pred) < high < 0.95
    gap, low, high, p = paired_bootstrap(true, true, pred, f1)
    assert gap == pytest.approx(1 - f1(true, pred))
    assert low < gap <= high
    assert 0.01 < p < 0.2  # two rows: neither .28 nor certainty
    same = paired_bootstrap(true, pred, pred, f1)
    assert same[0] == 0
    assert same[3] > 0.9


def test_a_metric_of_one_s_own_and_names_of_classes_are_resampled_alike():
    true = np.repeat(["good", "bad"], [60, 5])
    pred = np.where(np.arange(65) % 9 == 0, "bad", true)
    own = lambda t, p: f1(t, p, "macro")
    for ours, theirs in zip(ClassScore(own, true, pred).interval(), ClassScore(f1, true, pred).interval()):
        assert abs(ours - theirs) < 0.02
    ours, theirs = (paired_bootstrap(true, true, pred, m) for m in (own, f1))
    assert np.allclose(ours, theirs, atol=0.03)


@pytest.mark.parametrize("metric", list(COUNTED))
def test_scores_of_weights_are_those_of_rows(metric):
    rng = np.random.default_rng(0)
    k = 2 if metric.__name__ == "second_f1" else 4
    true, pred = rng.integers(0, k, 80), rng.integers(0, k, 80)
    cells, counts = np.unique(np.stack([true, pred]), axis=1, return_counts=True)
    found = ClassScore(metric, true, pred, range(k)).draws(cells, counts[None] / 80)
    assert found.item() == pytest.approx(metric(true, pred))
    cells, weights = weighted_cells(true, [pred], k, 10)
    assert weights.shape == (10, cells.shape[1])
    assert np.allclose(weights.sum(1), 1)
    assert (weights > 0).mean() > 0.9


@pytest.mark.parametrize(("rows", "few", "recall", "alarms"), [(60, 5, 0.8, 0.05), (100, 10, 0.95, 0.01)])
def test_intervals_of_rare_classes_hold_the_truth_about_that_often(rows, few, recall, alarms):
    rng = np.random.default_rng(3)
    true = np.repeat([1, 0], [few, rows - few])
    tp, fp = recall * few, alarms * (rows - few)
    truth, held = 2 * tp / (few + tp + fp), []
    for _ in range(200):
        pred = (rng.random(rows) < np.where(true == 1, recall, alarms)).astype(int)
        low, high = ClassScore(lambda_f1, true, pred, range(2)).interval(200)
        held.append(low <= truth <= high)
    assert np.mean(held) > 0.9


lambda_f1 = next(f for f in COUNTED if f.__name__ == "second_f1")


def test_shares_calibration_and_correlations_have_their_own_intervals():
    assert share_interval(np.repeat([1.0, 0.0], [45, 5])) == pytest.approx((0.786, 0.957), abs=1e-3)  # Wilson
    assert share_interval(np.ones(20))[1] == 1
    assert share_interval(np.array([0.2, 1.0])) is None
    rng = np.random.default_rng(1)
    sure = 0.5 + 0.5 * rng.beta(4, 2, 300)
    true = (rng.random(300) > sure).astype(int)  # calibrated: the true error is 0
    score = CalibrationScore(np.stack([sure, 1 - sure], 1), true)
    assert score.interval()[0] < 0.01 < score(slice(None)) <= score.interval()[1]
    x = rng.standard_normal(200)
    y = 0.6 * x + 0.8 * rng.standard_normal(200)
    for metric in (pearson, spearman):
        low, high = CorrelationScore(metric, x, y).interval()
        z, half = np.arctanh(metric(x, y)), 1.96 / np.sqrt(197)
        assert np.allclose([low, high], np.tanh([z - half, z + half]), atol=0.04)


def test_intervals_need_no_resampled_scores(monkeypatch):
    from ftcourse.metrics import intervals

    asked = []
    monkeypatch.setattr(intervals, "resamples", lambda *a: asked.append(a))
    rng = np.random.default_rng(0)
    rows = {"sum": rng.exponential(size=300), "count": np.ones(300)}
    spans = [["red fox"], ["dog"], []] * 100
    kinds = {
        "classify": (rng.integers(0, 3, 300), rng.normal(size=(300, 3))),
        "multilabel": (rng.integers(0, 2, (300, 4)), rng.normal(size=(300, 4))),
        "regress": (rng.normal(size=300), rng.normal(size=300)),
        "span": (spans, ["fox", "dog", ""] * 100),
        "lm": (None, [None] * 300),
    }
    for kind, (true, out) in kinds.items():
        of, pred, probs = statistics(kind, true, rows | {"out": out})
        value = lambda x: x.mean() if isinstance(x, np.ndarray) else x(slice(None))
        scores = {name: value(x) for name, x in of.items()}
        facts = dict(name="", source="", split="test", rows=300, labels=list("abcd"), notes=[], seconds=0.0)
        report = Report(kind, **facts, scores=scores, true=true, pred=pred, probs=probs, of=of, text=str, losses=None)
        for name, score in scores.items():
            low, high = report.interval(name)
            assert low <= score <= high, (kind, name)
            assert 0 < high - low < 1, (kind, name)
    assert not asked


def test_draws_of_cells_are_those_of_the_sorted_table():
    rng = np.random.default_rng(5)
    true, *preds = rng.integers(0, 4, (3, 500))
    for answers in ([preds[0]], preds):
        cells, counts = np.unique(np.stack([true, *answers]), axis=1, return_counts=True)
        found, weights = weighted_cells(true, answers, 4, 20, 3)
        assert np.array_equal(found[:, : cells.shape[1]], cells)
        more = found.shape[1] - cells.shape[1]
        shape = np.concatenate([counts, np.full(more, 2 / more)])
        drawn = np.random.default_rng(3).standard_gamma(shape, (20, len(shape)))
        assert np.allclose(weights, drawn / drawn.sum(1, keepdims=True), rtol=0, atol=1e-15)


def test_shares_in_whole_and_in_part():
    from scipy.stats import binomtest

    for right, rows in ((45, 50), (1, 50), (0, 30), (30, 30), (600, 1000)):
        x = np.repeat([1.0, 0.0], [right, rows - right])
        method = "wilson" if 0 < right < rows else "exact"
        theirs = binomtest(right, rows).proportion_ci(0.95, method=method)
        assert np.allclose(fraction_interval(x), tuple(theirs), rtol=0, atol=1e-12)
    halves = np.tile([0.4, 0.6], 100)
    low, high = fraction_interval(halves)
    assert 0.45 < low < 0.5 < high < 0.55  # as many rows right or wrong: 0.43 to 0.57
    low, high = fraction_interval(np.full(50, 0.5))
    assert 0.4 < low < high < 0.6
    assert fraction_interval(np.array([0.2])) != (0.2, 0.2)


def test_the_t_quantile_is_the_library_s():
    from scipy.stats import t

    for freedom in (5, 10, 49, 1000):
        assert student_quantile(0.975, freedom) == pytest.approx(t.ppf(0.975, freedom), abs=3e-3)


def test_a_mean_loss_leans_to_the_side_of_its_skew_and_holds_the_truth():
    rng = np.random.default_rng(6)
    held, held_by_t = [], []
    for _ in range(400):
        x = rng.standard_gamma(0.5, 60)
        low, high = RatioScore(x).interval()
        held.append(low <= 0.5 <= high)
        half = 2.0 * x.std(ddof=1) / np.sqrt(60)
        held_by_t.append(abs(x.mean() - 0.5) <= half)
        assert high - x.mean() > x.mean() - low
    assert 0.92 < np.mean(held) < 0.98
    assert np.mean(held) > np.mean(held_by_t)
    even = np.concatenate([x, 1 - x])  # without skewness: Student's t
    low, high = RatioScore(even).interval()
    half = student_quantile(0.975, 119) * even.std(ddof=1) / np.sqrt(120)
    assert np.allclose([low, high], [even.mean() - half, even.mean() + half])


def test_a_ratio_of_sums_and_what_rises_with_it():
    rng = np.random.default_rng(7)
    count = rng.integers(0, 30, 80).astype(float)
    total = rng.gamma(2, size=80) * count
    loss, shown = RatioScore(total, count), RatioScore(total, count, np.exp)
    assert np.allclose(np.exp(loss.interval()), shown.interval())
    assert loss(slice(None)) == total.sum() / count.sum()
    tenfold = RatioScore(10 * total, count).interval()
    assert np.allclose(tenfold, np.multiply(10, loss.interval()))
    assert loss.interval() == RatioScore(total[count > 0], count[count > 0]).interval()
    assert RatioScore(total[:3], np.zeros(3))(slice(None)) is None
    assert RatioScore(total[:3], np.eye(3)[0]).interval() == (None, None)
    assert RatioScore(np.ones(5)).interval() == (1, 1)


@pytest.mark.parametrize("metric", [pearson, spearman])
def test_the_influence_of_a_row_is_what_the_score_moves_when_it_counts_more(metric):
    rng = np.random.default_rng(8)
    x = rng.normal(size=300).round(1)  # with ties
    y = (x + rng.normal(size=300)).round(1)
    influence = CorrelationScore(metric, x, y).influence()
    assert abs(influence.mean()) < 1e-12
    for row in range(0, 300, 50):
        more = np.concatenate([np.tile(np.arange(300), 50), [row]])  # a fiftieth of a row more
        moved = (metric(x[more], y[more]) - metric(x, y)) * len(more)
        assert moved == pytest.approx(influence[row], rel=0.02, abs=0.005)


def test_labels_are_weighed_in_rows_and_none_is_lost():
    rng = np.random.default_rng(9)
    true = rng.random((200, 5)) < [0.5, 0.3, 0.1, 0.02, 0]
    pred = np.where(rng.random((200, 5)) < 0.1, ~true, true)
    pred[:, 4] = False  # a label that is nowhere
    shared = {}
    for average in ("micro", "macro"):
        score = LabelScore(average, true.astype(int), pred.astype(int), shared)
        low, high = score.interval()
        assert low < score(slice(None)) == f1(true, pred, average) < high
        by_rows = resamples(np.arange(200), score, 300)
        wide, theirs = high - low, np.subtract(*np.quantile(by_rows, [0.975, 0.025]))
        assert 0.8 < wide / theirs < 1.6
    assert len(shared) == 1
    right, truth, said = shared[1000, 0]
    assert (right[:, :4] > 0).all()
    assert not truth[:, 4].any()
    assert not said[:, 4].any()
    assert (right <= truth).all()
    first, second = weighted_labels(true, [pred, pred], 50)
    assert np.array_equal(first[1], second[1])


def test_two_models_of_labels_are_compared_on_the_same_weights():
    rng = np.random.default_rng(10)
    true = (rng.random((300, 4)) < 0.3).astype(int)
    noisy = lambda share: np.where(rng.random(true.shape) < share, 1 - true, true)
    good, same, poor = noisy(0.05), noisy(0.05), noisy(0.2)
    of = lambda pred: LabelScore("micro", true, pred, {})
    gap, low, high, p = paired_label_interval(of(good), of(poor))
    assert gap == f1(true, good, "micro") - f1(true, poor, "micro")
    assert 0 < low < gap < high
    assert p < 0.01
    gap, low, high, p = paired_label_interval(of(good), of(same))
    assert low <= 0 <= high
    assert p > 0.05


@pytest.mark.parametrize("seed", range(6))
def test_the_p_of_a_difference_agrees_with_its_interval(seed):
    rng = np.random.default_rng(seed)
    true = (np.arange(80) < 12).astype(int)
    a, b = (np.where(rng.random(80) < share, 1 - true, true) for share in (0.08, 0.08 + seed / 20))
    _, low, high, p = paired_bootstrap(true, a, b, f1)
    assert (p < 0.045) <= (low > 0 or high < 0) <= (p < 0.056)


def test_a_text_of_one_row_has_no_interval_and_prints():
    of, _, _ = statistics("lm", None, {"sum": np.array([6.0]), "count": np.array([3.0]), "out": [None]})
    facts = dict(name="", source="", split="test", rows=1, labels=[], notes=[], seconds=0.0)
    scores = {name: x(slice(None)) for name, x in of.items()}
    report = Report("lm", **facts, scores=scores, true=None, pred=None, probs=None, of=of, text=str, losses=None)
    assert report.interval("loss") == (None, None)
    assert "perplexity" in str(report)
    assert "None" not in str(report)


def test_a_report_says_where_its_intervals_do_not_hold():
    facts = dict(name="", source="", split="test", notes=[], seconds=0.0, pred=None, probs=None, of={}, text=str)
    facts |= dict(scores={}, losses=None, labels=["a", "b", "c"])
    said = lambda true, kind="classify": interval_notes(Report(kind, rows=len(true), true=true, **facts))
    assert said(np.repeat([0, 1, 2], 20)) == []
    assert said(np.repeat([0, 1], 30)) == []  # an absent class is no rare one
    assert "fewer than 5 of c:" in said(np.repeat([0, 1, 2], [30, 30, 4]))[0]
    assert "fewer than 50 rows:" in said(np.repeat([0, 1, 2], 6))[0]
    assert "fewer than 50 rows and fewer than 5 of a, b, c:" in said(np.arange(3))[0]
    assert (
        "fewer than 5 of b, c:"
        in said(np.tile([1, 0, 0], (60, 1)) | (np.arange(180).reshape(60, 3) < 6), "multilabel")[0]
    )
    assert said(np.zeros(60), "regress") == []


# kind 7: numbers


def test_a_m01_weighted_f1_binary_of_three_classes_and_absent_classes():
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(2)
    for k in (2, 3, 5):
        t, p = rng.integers(0, k, 60), rng.integers(0, k, 60)
        assert f1(t, p, "weighted") == pytest.approx(f1_score(t, p, average="weighted"))
    many = rng.integers(0, 2, (30, 4)), rng.integers(0, 2, (30, 4))
    assert f1(*many, "weighted") == pytest.approx(f1_score(*many, average="weighted"))
    for average in ("binary",):
        with pytest.raises(CourseError, match='two classes, and here are 3.*average="macro"'):
            f1([0, 1, 2], [0, 1, 1], average)
        with pytest.raises(CourseError, match="two classes"):
            f1(["a", "b", "c"], ["a", "b", "b"], average, positive="b")
    said = score_notes(np.array([0, 1, 2, 1]), np.array([0, 1, 1, 1]), ["a", "b", "c", "d"])
    assert any("1 of 4 classes have no row here ('d'): averages are over the 3" in x for x in said)
    assert not any("no row" in x for x in score_notes(np.array([0, 1]), np.array([0, 1]), ["a", "b"]))


def test_calibration_of_one_class():
    probs = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8]])
    true = np.array([0, 1, 1, 0])
    assert calibration_error(probs, true, positive=1) == pytest.approx((2 * 0.4 + 2 * 0.3) / 4)


def test_a_l05_strided_perplexity_scores_each_token_once():
    writer = load_model("tiny-gpt", head="lm")
    text = "the soup was cold and the waiter was kind. we left happy."
    whole, count = strided_perplexity(writer, text)
    rows = encode([{"text": text}], writer.tokenizer, kind="lm", text="text", max_length=None)
    assert count == len(rows.ids) - 1
    assert whole == pytest.approx(evaluate(writer, rows)["perplexity"], rel=1e-5)
    for stride, size in ((1, 4), (3, 4), (4, 8), (7, 8)):
        assert strided_perplexity(writer, text, stride, size)[1] == count
    with pytest.raises(CourseError, match="1 to 7"):
        strided_perplexity(writer, text, 8, 8)
    ids = rows.ids.tolist()[:9]
    network, total = writer.network, 0.0
    with torch.no_grad():
        for n in range(1, 9):  # stride 1: each token from the three before it
            z = network(torch.tensor([ids[max(0, n - 3) : n]])).logits[0, -1]
            total -= z.log_softmax(-1)[ids[n]].item()
    found, count = strided_perplexity(writer, ids, 1, 4)
    assert (found, count) == (pytest.approx(np.exp(total / 8), rel=1e-4), 8)


def tokens(reader, rows, **how):
    e = encode(rows, reader.tokenizer, **{"kind": "classify", "text": "text"} | how)
    return reader.tokenizer.convert_ids_to_tokens(e.ids.tolist())


def test_e30_a_typed_special_token_is_text(reader):
    row = [{"text": "good [SEP] bad [MASK] [PAD]"}]
    file = CASES / "e30-special-token-typed-by-a-user.json"
    if file.exists():
        assert "good [SEP] bad [MASK]" in json.loads(file.read_text(encoding="utf-8"))["input"]
    found = tokens(reader, row)
    assert (found.count("[SEP]"), found.count("[MASK]"), found.count("[PAD]")) == (1, 0, 0)
    asked = tokens(reader, row, split_special_tokens=False)
    assert (asked.count("[SEP]"), asked.count("[MASK]")) == (2, 1)
    pair = [{"text": "a [SEP] b", "other": "c [CLS] d"}]
    found = tokens(reader, pair, text=("text", "other"))
    assert (found.count("[SEP]"), found.count("[CLS]")) == (2, 1)
    found = tokens(reader, pair, kind="span", text=("text", "other"))
    assert (found.count("[SEP]"), found.count("[CLS]")) == (2, 1)
    assert tokens(reader, [{"text": "good"}]) == ["[CLS]", "good", "[SEP]"]
    assert not reader.tokenizer.backend_tokenizer.encode_special_tokens  # the tokenizer is as it was


def test_e30_predict_attribution_and_fill_agree(reader):
    from ftcourse.experiments.attribution import tokenize_text

    typed = "good [SEP] bad"
    ids = encode_texts([typed], reader.tokenizer)[0].ids
    assert tokenize_text(reader, typed).batch.ids[0].tolist() == ids
    guesser = load_model("tiny-bert", head="lm")
    assert len(guesser.fill(["The soup was [MASK]."])[0]) == 1  # there it is asked for


def test_e30_tokens_that_were_added_stay_special(reader):
    t = reader.copy().tokenizer
    t.add_special_tokens({"extra_special_tokens": ["[E1]"]})
    assert "[E1]" in t.convert_ids_to_tokens(encode_texts(["good [E1] soup"], t)[0].ids)
    t = load_model("tiny-gpt", head="lm").tokenizer
    t.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}"
    with pytest.warns(UserWarning, match="message 0 holds"):
        encode_chat([{"role": "user", "content": f"hi {t.eos_token}"}, {"role": "assistant", "content": "yo"}], t)


# kind 6: devices without 64-bit floats


class Narrow(torch.Tensor):
    "A tensor of a device that lacks 64-bit floats, as Apple's MPS: it must come to the CPU first."

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        wide = any(x is torch.float64 for x in (*args, *(kwargs or {}).values()))
        if name == "double" or name == "to" and wide:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64")
        out = super().__torch_function__(func, types, args, kwargs or {})
        return out.as_subclass(torch.Tensor) if name == "cpu" else out


@pytest.mark.parametrize("kind", ["classify", "regress", "multilabel"])
def test_e19_evaluation_asks_no_device_for_64_bits(kind):
    label = {"classify": [0, 1, 0, 1], "regress": [0.1, 2.0, 3.5, 1.0], "multilabel": [["a"], [], ["b"], ["a", "b"]]}
    labels = {"classify": ["neg", "pos"], "regress": (), "multilabel": ["a", "b"]}[kind]
    net = load_model("tiny-bert", head=kind, labels=labels) if labels else load_model("tiny-bert", head=kind)
    rows = [{"text": t, "label": y} for t, y in zip(REVIEWS, label[kind])]
    e = encode(rows, net.tokenizer, kind=kind, text="text", label="label", labels=labels)
    assert all(x.dtype != torch.float64 for b in Batches(e, 2) for x in vars(b).values() if isinstance(x, torch.Tensor))
    before = evaluate(net, e)
    forward = net.forward
    net.forward = lambda batch: forward(batch).as_subclass(Narrow)
    assert evaluate(net, e).scores == before.scores


def test_e19_the_stand_in_refuses_and_averages_come_to_the_cpu():
    x = torch.ones(2).as_subclass(Narrow)
    for wide in (x.double, lambda: x.to(torch.float64), lambda: x.to(dtype=torch.float64)):
        with pytest.raises(TypeError, match="MPS"):
            wide()
    points = [{"w": torch.full((2,), float(i)).as_subclass(Narrow)} for i in (1, 2)]
    assert average_weights(points)["w"].tolist() == [1.5, 1.5]


def test_e19_nothing_in_the_package_asks_a_device_for_64_bits():
    root = Path(__file__).resolve().parent.parent / "ftcourse"
    for file in root.rglob("*.py"):
        assert ".double().cpu()" not in "".join(file.read_text(encoding="utf-8").split()), file


# kind 9: heads, padding, precision


@pytest.mark.parametrize("kind", ["bert", "distilbert", "electra"])
def test_padding_on_the_left_changes_no_answer(reader, kind):
    import transformers as tr

    small = dict(vocab_size=len(reader.tokenizer), num_labels=2)
    config = {
        "bert": lambda: tr.BertConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, **small
        ),
        "distilbert": lambda: tr.DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64, **small),
        "electra": lambda: tr.ElectraConfig(
            hidden_size=32, embedding_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, **small
        ),
    }[kind]()
    from ftcourse.models.forward import Core

    torch.manual_seed(0)
    for head, auto in (
        ("classify", tr.AutoModelForSequenceClassification),
        ("span", tr.AutoModelForQuestionAnswering),
        ("mlm", tr.AutoModelForMaskedLM),
    ):
        core = Core(auto.from_config(config).eval(), head)
        e = encode_texts(REVIEWS, reader.tokenizer)
        with torch.no_grad():
            for b in Batches(e, 4, shuffle=False, pad_side="left"):
                found = core(b.ids, b.mask, b.types)
                for i in range(len(b)):
                    n = int(b.mask[i].sum())
                    alone = core(b.ids[i : i + 1, -n:], b.mask[i : i + 1, -n:])
                    for z, one in zip(found, alone) if head == "span" else [(found, alone)]:
                        z = z[i] if head == "classify" else z[i, -n:]
                        torch.testing.assert_close(z, one[0], rtol=1e-4, atol=1e-5)


def test_a_tokenizer_that_pads_on_the_left_changes_no_prediction(reader):
    net = reader.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = net.probabilities(REVIEWS) if hasattr(net, "probabilities") else net._outputs(REVIEWS)
        net.tokenizer.padding_side = "left"
        after = net.probabilities(REVIEWS) if hasattr(net, "probabilities") else net._outputs(REVIEWS)
    assert np.allclose(np.array([np.asarray(x) for x in before]), np.array([np.asarray(x) for x in after]), atol=1e-5)


def test_labels_of_regression_keep_their_digits():
    values = [16777217.0, 0.1, 3.0, 123456.789]
    rows = [{"text": t, "score": v} for t, v in zip(REVIEWS * 3, values * 3)]
    task = load_task([{**r, "text": f"{r['text']} {i}"} for i, r in enumerate(rows)], kind="regress", label="score")
    kept = np.concatenate([task.label_ids(s) for s in task.splits])
    assert kept.dtype == np.float64
    assert set(kept.tolist()) == set(values)
    e = Examples.from_lists([[1], [2]], [16777217.0, 1.5], kind="regress")
    assert e.labels.tolist() == [16777217.0, 1.5]


# what was scored


def test_the_report_says_what_was_left_out_and_why(reader):
    rows = [{"text": "good soup", "label": "pos"}, {"text": "bad soup", "label": "neg"}]
    whole = evaluate_model(reader, rows)
    assert not any("left out" in x or "without a label" in x for x in whole.notes)
    some = evaluate_model(reader, [*rows, {"text": "a room", "label": None}, {"text": "we ate", "label": ""}])
    assert some.rows == 2
    assert any("2 rows of test without a label" in x for x in some.notes)
    bad = load_task([*rows, {"text": None, "label": "pos"}], split="test", on_bad="skip")
    assert any("1 row, the first" in x for x in evaluate_model(reader, bad).notes)


def test_scores_are_what_they_were():
    true, pred = np.array([0, 1, 1, 0, 1]), np.array([0, 1, 0, 0, 1])
    of, said, _ = class_statistics(true, logits_of(pred, 2))
    every = slice(None)
    assert (said == pred).all()
    assert of["macro_f1"](every) == f1(true, pred)
    assert of["f1"](every) == f1(true, pred, "binary")
    assert of["mcc"](every) == matthews(true, pred)
    assert of["accuracy"].mean() == accuracy(true, pred)


def test_the_trainer_s_own_loss_refuses_label_smoothing(tmp_path):
    from ftcourse.core.hparams import HyperParams
    from ftcourse.train.hf_trainer import trainer_for

    model = load_model("tiny-bert", head="classify", labels=["a", "b"])
    rows = encode([{"text": "a b", "label": 0}], model.tokenizer, kind="classify", text="text", label="label")
    hp = HyperParams(label_smoothing=0.1, head_lr=1.0)
    with pytest.raises(CourseError, match="own_loss=True"):
        trainer_for(model, rows, hp, tmp_path, own_loss=False)
    assert trainer_for(model, rows, hp, tmp_path).compute_loss_func
