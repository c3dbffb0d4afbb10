"""A model and a test set that do not have the same labels, or do not spell them alike."""

import numpy as np
import pytest
import torch

from ftcourse import evaluate_model, fine_tune_model, load_task
from ftcourse.core.errors import CourseError
from ftcourse.data.load.columns import label_places
from ftcourse.metrics.comparison import compare
from ftcourse.metrics.evaluation import strided_perplexity
from ftcourse.metrics.intervals import CalibrationScore, CorrelationScore, bootstrap_interval
from ftcourse.metrics.scores import (
    accuracy,
    calibration_error,
    exact_match,
    f1,
    matthews,
    mse,
    pearson,
    quadratic_kappa,
    spearman,
    token_f1,
    within_one,
)
from ftcourse.metrics.thresholds import average_precision, choose_thresholds, precision_recall_curve
from ftcourse.models.load import load_model


def says(labels, logits, kind="classify"):
    "A model that gives every text the same logits."
    model = load_model("tiny-bert", head=kind, labels=list(labels), seed=0)
    model.new = []
    last = model.network.classifier
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor(logits, dtype=torch.float))
    return model


def rows(labels, text="film number {}"):
    return [{"text": text.format(i), "label": x} for i, x in enumerate(labels)]


# ---------------------------------------------------------------- labels that no row of the data has
@pytest.mark.parametrize("labels", ["abc", "bca", "cab"])
def test_a_label_that_no_row_has_is_scored_and_giving_it_is_wrong(labels):
    bias = dict(a=5.0, b=5.0, c=-5.0)
    model = says(labels, [bias[x] for x in labels], "multilabel")
    report = evaluate_model(model, rows([["a"]] * 30 + [["a", "c"]] * 30))
    assert report.labels == list(labels)
    assert report["micro_f1"] == pytest.approx(2 * 60 / (2 * 60 + 60 + 30))
    assert report["macro_f1"] == pytest.approx((1 + 0 + 0) / 3)
    assert report["subset_accuracy"] == 0
    assert report["label_accuracy"] == pytest.approx((1 + 0 + 0.5) / 3)
    low, high = report.interval("micro_f1")
    assert low < report["micro_f1"] < high
    said = "\n".join(report.notes)
    assert "1 of 3 labels have no row here ('b'), and the model gave 'b' 60×: that counts as wrong" in said
    assert "class" not in said
    whole = evaluate_model(model, load_task(rows([["a"]] * 30 + [["a", "c"]] * 30), labels=list("abc"), split="test"))
    assert whole["micro_f1"] == report["micro_f1"]
    assert whole.loss == pytest.approx(report.loss)


def test_labels_that_the_data_say_there_are_not_are_left_out_and_named():
    model = says("abc", [5, 5, -5], "multilabel")
    task = load_task(rows([["a"]] * 30 + [["a", "c"]] * 30), labels=["a", "c"], split="test")
    report = evaluate_model(model, task)
    assert report.labels == ["a", "c"]
    assert report["micro_f1"] == pytest.approx(2 * 60 / (2 * 60 + 30))
    assert report.notes[0].startswith("not scored: b. ")
    assert "class" not in "\n".join(report.notes)


def test_a_right_model_is_not_blamed_for_labels_that_are_nowhere():
    model = says("abc", [5, -5, -5], "multilabel")
    report = evaluate_model(model, rows([["a"]] * 60))
    assert report["macro_f1"] == report["micro_f1"] == 1
    assert "macro F1 is over the one that does" in "\n".join(report.notes)
    assert report.interval("macro_f1")[1] == 1


@pytest.mark.parametrize("here", [["neg"], ["neg", "pos"], ["POS"], ["pos", "neg"]])
def test_accuracy_is_the_share_that_predict_gets_right_where_the_data_lack_a_class(here):
    model = says(["neg", "neutral", "pos"], [0.0, 1.0, 0.5])
    report = evaluate_model(model, rows(here * 20))
    assert report["accuracy"] == 0  # predict says "neutral"
    assert {report.labels[i] for i in report.pred} == set(model.predict(["a film"]))
    assert [x.lower() for x in report.labels] == model.labels
    assert report.confusion.sum() == report.rows
    task = load_task(rows(["neg", "pos"] * 20), labels=["neg", "pos"], split="test")
    chosen = evaluate_model(model, task)
    assert chosen["accuracy"] == 0.5
    assert "chose among the data's classes" in chosen.notes[0]


def test_one_row_and_rows_of_one_class_are_not_right_by_themselves():
    model = says(["neg", "pos"], [1, 0])
    model.thresholds = [0.9]
    for data in (rows(["pos"]), rows(["pos"] * 60), load_task(rows(["pos"] * 9), labels=["pos"], split="test")):
        assert evaluate_model(model, data)["accuracy"] == 0
    model.thresholds = [0.1]
    assert evaluate_model(model, rows(["pos"] * 60))["accuracy"] == 1


# ---------------------------------------------------------------- labels spelled otherwise
def test_labels_that_differ_in_capitals_alone_are_not_taken_for_each_other():
    assert label_places(["us", "US"], ["US", "them", "us"]) == [2, 0]
    assert label_places(["Us"], ["US", "them", "us"]) == [None]
    assert label_places(["Them", "US"], ["US", "them", "us"]) == [1, 0]
    assert label_places(["caf\u0065\u0301"], ["caf\u00e9"]) == [0]
    assert label_places(["a", "A"], ["a"]) == [0, None]
    model = says(["US", "them", "us"], [0, 0, 5])
    assert evaluate_model(model, rows(["us"] * 9))["accuracy"] == 1
    with pytest.raises(CourseError, match="no class 'Us'"):
        evaluate_model(model, rows(["Us"] * 9))


def test_labels_of_two_spellings_are_put_in_order_as_they_are_written():
    model = says(["US", "us"], [5, 0])
    assert model.align(["us", "US"]) == [1, 0]
    task = load_task(rows(["us", "US"] * 30), labels=["us", "US"], split="test")
    report = evaluate_model(model, task)
    assert np.array_equal(report.pred, [1] * 60)
    assert report["accuracy"] == 0.5


def test_train_fixes_the_labels_of_a_task():
    model = says(["neg", "neutral", "pos"], [0.0, 1.0, 0.5])
    task = load_task({"train": rows(["neg", "pos"] * 20), "test": rows(["pos"] * 20, "play {}")}, validation=0)
    report = evaluate_model(model, task)
    assert report["accuracy"] == 1
    assert report.notes[0].startswith("the model also knows neutral, which the data does not have")
    assert not load_task(rows(["neg", "pos"] * 20), split="test").declared


# ---------------------------------------------------------------- rows that say little
def test_a_test_set_of_one_class_is_no_ground_to_blame_the_training(recwarn):
    model = says(["neg", "pos"], [5, 0])
    report = evaluate_model(model, rows(["neg"] * 60))
    said = "\n".join(report.notes)
    assert "every row is 'neg'" in said
    assert not [x for x in ("training", "permutation", "no better") if x in said]
    assert report.interval("mcc") == (None, None)
    str(report)
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]
    wrong = evaluate_model(model, rows(["pos"] * 60))
    assert "permutation" not in "\n".join(wrong.notes)
    assert "every row" not in "\n".join(evaluate_model(model, rows(["pos"])).notes)
    assert str(evaluate_model(model, rows(["pos"]))).startswith("the data/test: 1 row\n")


@pytest.mark.parametrize("metric", [pearson, spearman])
def test_a_correlation_of_few_rows_is_not_certain(metric):
    for n in (2, 3):
        assert CorrelationScore(metric, np.arange(n), np.arange(n) + 0.5).interval() == (None, None)
    if metric is spearman:
        widths = [np.ptp(CorrelationScore(metric, np.arange(n), np.arange(n) ** 3).interval()) for n in (4, 8, 20, 100)]
        assert sorted(widths, reverse=True) == widths
        assert widths[0] > 0.5
        assert widths[-1] < 0.01


def test_a_bound_that_is_no_number_is_not_shown():
    model = says([], [0.5], "regress")
    data = [{"text": f"film {i}", "score": 1e300 * i} for i in range(60)]
    with np.errstate(all="ignore"):
        report = evaluate_model(model, data)
        assert all(None in bounds or np.isfinite(bounds).all() for bounds in map(report.interval, report.scores))


def test_questions_without_any_answer_are_not_parted_in_two():
    model = load_model("tiny-bert", head="span")
    data = [
        {
            "question": "who",
            "context": f"Anna {i} came",
            "answers": {"text": [], "answer_start": []},
            "is_impossible": True,
        }
        for i in range(4)
    ]
    report = evaluate_model(model, data)
    assert not [name for name in report.scores if "Ans" in name]
    assert None not in report.scores.values()
    with pytest.raises(CourseError, match="context is empty"):
        model.predict([("who came", "Anna came"), ("who came", " ")])


# ---------------------------------------------------------------- what is asked for
@pytest.mark.parametrize("n", [0, -1, 2.5, "many", True])
def test_so_many_rows_that_are_none_are_refused(n):
    model = says(["neg", "pos"], [1, 0])
    with pytest.raises(CourseError, match="rows="):
        evaluate_model(model, rows(["neg", "pos"] * 9), rows=n)
    if n in (0, -1):
        with pytest.raises(CourseError, match="take"):
            fine_tune_model("tiny-bert", rows(["neg", "pos"] * 30), rows=n)


@pytest.mark.parametrize("values", [0.5, [None], {"pos": 0.3}, ["much"]])
def test_thresholds_that_are_no_list_of_numbers_are_refused(values):
    model = says(["neg", "pos"], [1, 0])
    with pytest.raises(CourseError, match="thresholds="):
        model.thresholds = values


def test_pairs_are_for_models_of_pairs():
    model = says(["neg", "pos"], [1, 0])
    pairs = [{"premise": f"a {i}", "hypothesis": "b", "label": x} for i, x in enumerate(["neg", "pos"] * 9)]
    model.text = ("text",)
    with pytest.raises(CourseError, match=r"one text a row \(text\).*a pair of texts \(premise, hypothesis\)"):
        evaluate_model(model, pairs)
    assert evaluate_model(model, pairs, text="premise").rows == 18
    model.text = ("premise", "hypothesis")
    assert evaluate_model(model, pairs).rows == 18
    with pytest.raises(CourseError, match="a pair of texts a row"):
        evaluate_model(model, rows(["neg", "pos"] * 9))


def test_a_model_of_text_reads_the_text_of_any_table():
    model = load_model("tiny-gpt", head="lm")
    plain = evaluate_model(model, [{"text": f"the soup was cold {i}"} for i in range(9)])
    labelled = evaluate_model(model, [{"text": f"the soup was cold {i}", "label": "bad"} for i in range(9)])
    assert plain["perplexity"] == labelled["perplexity"]


# ---------------------------------------------------------------- two models
def test_models_of_other_classes_are_compared_by_the_names_of_their_classes():
    data = rows(["neg", "pos", "pos"] * 20)
    three, two = says(["neg", "neutral", "pos"], [0, 5, 0]), says(["POS", "neg"], [5, 0])
    a, b = evaluate_model(three, data), evaluate_model(two, data)
    for metric in ("accuracy", "macro_f1", "mcc", "loss", "ece"):
        found = compare(a, b, metric)
        assert found.scores == (a[metric], b[metric])
        assert found.difference == pytest.approx(a[metric] - b[metric])
        assert found.low <= found.difference <= found.high
        assert compare(b, a, metric).difference == pytest.approx(-found.difference)
    assert compare(a, b).disagree == 40
    with pytest.raises(CourseError, match="f1"):
        compare(a, b, "f1")
    other = [evaluate_model(two, load_task(data, labels=x, split="test")) for x in (["neg", "pos"], ["pos", "neg"])]
    assert compare(*other).difference == 0
    with pytest.raises(CourseError, match="f1 is of 'pos' in one report and of 'neg' in the other"):
        compare(*other, "f1")


def test_models_of_other_labels_are_compared_by_name():
    data = rows([["a"], ["a", "c"]] * 30)
    a = evaluate_model(says("abc", [5, 5, -5], "multilabel"), data)
    b = evaluate_model(says("cab", [5, 5, -5], "multilabel"), data)
    c = evaluate_model(says("ca", [5, 5], "multilabel"), data)
    for metric in ("micro_f1", "macro_f1", "subset_accuracy"):
        found = compare(a, b, metric)
        assert found.difference == pytest.approx(a[metric] - b[metric])
        assert found.low <= found.difference <= found.high
        assert compare(b, c, metric).difference == pytest.approx(0)


def test_test_sets_with_the_same_labels_are_not_the_same_rows():
    model = says(["neg", "pos"], [5, 0])
    a = evaluate_model(model, rows(["neg", "pos"] * 30))
    b = evaluate_model(model, rows(["neg", "pos"] * 30, "play number {}"))
    with pytest.raises(CourseError, match="row 0 is 'film number 0' in one and 'play number 0' in the other"):
        compare(a, b)
    with pytest.raises(CourseError, match="two reports"):
        compare(a, "b")
    pairs = [{"premise": f"Film  number {i}", "hypothesis": "b", "label": x} for i, x in enumerate(["neg", "pos"] * 30)]
    assert compare(a, evaluate_model(model, pairs)).difference == 0
    writer = load_model("tiny-gpt", head="lm")
    reports = [evaluate_model(writer, [{"text": f"{what} {i}"} for i in range(9)]) for what in ("soup", "cake")]
    with pytest.raises(CourseError, match="different rows"):
        compare(*reports)


# ---------------------------------------------------------------- what is printed
def test_a_label_of_two_lines_stays_in_its_row():
    names = ["<b>bad</b>", "a\x1b[31mred", "good\nnews"]
    model = says(names, [5, 0, 0])
    text = str(evaluate_model(model, rows(names * 20))).split("\n")
    table = text[[i for i, line in enumerate(text) if "confusion" in line][0] + 1 :][:4]
    assert len({len(line) for line in table}) == 1
    assert r"good\nnews" in table[0]
    assert r"a\x1b[31mred" in table[2]
    said = "\n".join(evaluate_model(model, rows(names[:2] * 20)).notes)
    assert r"'good\nnews'" in said
    with pytest.raises(CourseError, match=r"it knows <b>bad</b>, a\\x1b\[31mred, good\\nnews"):
        evaluate_model(model, rows(["new\nclass"] * 9))


@pytest.mark.parametrize("n", [0, -5, 2.5, None, True])
def test_resamples_that_are_none_are_refused(n):
    report = evaluate_model(says(["neg", "pos"], [1, 0]), rows(["neg", "pos"] * 9))
    with pytest.raises(CourseError, match="resamples"):
        report.interval("mcc", n=n)


# ---------------------------------------------------------------- what the model was trained on
def test_a_model_answers_on_as_many_tokens_as_it_was_trained_on(tmp_path):
    data = rows(["neg", "pos"] * 10, "the soup was fine " * 9 + "{}")
    model = fine_tune_model("tiny-bert", data, max_length=8, max_steps=1)
    model.save(tmp_path / "m")
    assert model.max_length == load_model(tmp_path / "m").max_length == 8
    with pytest.warns(UserWarning, match="max_length=8"):
        report = evaluate_model(model, data)
    assert any("longer than 8 tokens" in x for x in report.notes)
    assert load_model("tiny-bert", head="classify", labels=["a", "b"]).max_length == 128
    assert fine_tune_model(model, data, max_steps=1).max_length == 128


def test_a_table_is_read_in_the_columns_that_the_model_was_trained_on(tmp_path):
    model = says(["neg", "pos"], [5, 0])
    table = [{"text": "a summary", "body": f"the film {i}", "label": x} for i, x in enumerate(["neg", "pos"] * 9)]
    model.text = ("body",)
    assert evaluate_model(model, table).text(3) == "the film 3"
    assert evaluate_model(model, table, text="text").text(3) == "a summary"
    assert evaluate_model(model, rows(["neg", "pos"] * 9)).text(3) == "film number 3"
    model.text = ("text", "body")
    assert evaluate_model(model, table).text(3) == "a summary | the film 3"
    model.text = ("review",)
    odd = [{"a": "x y", "review": f"the film {i}", "stars": x} for i, x in enumerate(["neg", "pos"] * 9)]
    assert evaluate_model(model, odd).text(3) == "the film 3"
    with pytest.raises(CourseError, match="no column has a usual name for the text"):
        evaluate_model(model, [{"a": r["text"], "label": r["label"]} for r in rows(["neg", "pos"] * 9)])


@pytest.mark.parametrize("order", [["a", "c"], ["c", "a"], ["b"]])
def test_thresholds_go_with_the_labels_that_are_scored(order):
    model = says("abc", [0.0, 0.0, 0.0], "multilabel")
    model.thresholds = [0.9, 0.1, 0.1]
    here = [x for x in order if x != "a"]
    report = evaluate_model(model, load_task(rows([order] * 9), labels=order, kind="multilabel", split="test"))
    assert [[report.labels[i] for i in np.flatnonzero(row)] for row in report.pred] == [here] * 9


def test_a_model_of_numbers_that_are_none_says_so():
    model = says([], [float("nan")], "regress")
    with pytest.raises(CourseError, match="2 of 2 texts are no numbers"):
        model.predict(["a", "b"])


def test_a_report_of_nothing_shows_no_confusion():
    report = evaluate_model(says(["neg", "pos"], [float("nan"), 0]), rows(["neg", "pos"] * 9))
    assert report.confusion is None
    assert report.to_dict()["confusion"] is None
    assert "confusion" not in str(report) + report._repr_html_()


def test_a_class_is_named_once():
    model = says(["neg", "neutral", "pos"], [1, 2, 3])
    with pytest.raises(CourseError, match="twice"):
        model.reorder(["pos", "neg", "pos"])
    assert model.labels == ["neg", "neutral", "pos"]


# ---------------------------------------------------------------- metrics by hand
THIRDS = np.full((5, 3), 1 / 3)
NONE = [0, 0, 0, 0, 0]
NAN = float("nan")
WRONG = {
    "calibration of hidden labels": lambda: calibration_error(THIRDS, [-1] * 5),
    "calibration of a class that is not there": lambda: calibration_error(THIRDS, [7] * 5),
    "calibration of names": lambda: calibration_error(THIRDS, list("abcab")),
    "calibration of nan": lambda: calibration_error(THIRDS * NAN, NONE),
    "calibration of logits that add to one": lambda: calibration_error([[2.0, -1.0]] * 5, NONE),
    "calibration of no column": lambda: calibration_error(THIRDS, NONE, positive=9),
    "calibration without bins": lambda: calibration_error(THIRDS, NONE, bins=0),
    "f1 of nan": lambda: f1([0.0, NAN], [0, 1]),
    "f1 of None": lambda: f1(["a", None], ["a", "b"]),
    "accuracy of nan": lambda: accuracy([0.0, NAN], [0, 1]),
    "correlation of classes with nan": lambda: matthews([0, 1], [0.0, NAN]),
    "kappa of nan": lambda: quadratic_kappa([1, NAN], [1, 2]),
    "kappa of names": lambda: quadratic_kappa(["a", "b"], ["a", "b"]),
    "within one of nan": lambda: within_one([1, NAN], [1, 2]),
    "squares of names": lambda: mse(["a", "b"], ["a", "b"]),
    "pearson of names": lambda: pearson(["a", "b"], ["a", "b"]),
    "thresholds of one label": lambda: choose_thresholds([0, 1], [0.1, 0.9]),
    "thresholds of counts": lambda: choose_thresholds([[2, 0], [0, 1]], [[0.1, 0.2], [0.3, 0.4]]),
    "precision of shares": lambda: average_precision([0.5, 1.0], [0.1, 0.2]),
    "precision of names": lambda: average_precision(["a", "b"], [0.1, 0.2]),
    "curve of nan": lambda: precision_recall_curve([0, 1], [0.1, NAN]),
    "curve of fewer probabilities": lambda: precision_recall_curve([0, 1], [0.1]),
    "no resamples": lambda: bootstrap_interval([1.0, 0.0], n=0),
    "resamples of names": lambda: bootstrap_interval(["a", "b"]),
    "no answer": lambda: exact_match(None, ["a"]),
    "no accepted answers": lambda: token_f1("a", None),
    "a list of lists": lambda: exact_match("a", [["a"]]),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_scored_has_no_score(what):
    with pytest.raises(CourseError):
        WRONG[what]()


def test_what_can_be_scored_still_is():
    assert calibration_error([[0.2, 0.8]] * 5, [True] * 5) == pytest.approx(0.2)
    assert calibration_error([[0.2, 0.8]] * 5, [1.0] * 5, positive=-1) == pytest.approx(0.2)
    assert f1([0.0, 1.0], [0, 1]) == accuracy(np.array(["a", "b"], object), ["a", "b"]) == 1
    assert average_precision([False, True], [0.1, 0.2]) == 1
    assert exact_match("a cat", np.array(["cat"])) == exact_match("", []) == exact_match("", ("the",)) == 1
    assert exact_match("x", "x") == token_f1("x y", ["x", "x y"]) == 1


@pytest.mark.parametrize("how", [dict(stride=1.5), dict(max_length=1), dict(max_length=0), dict(max_length=-4)])
def test_windows_that_are_none_are_refused(how):
    model = load_model("tiny-gpt", head="lm")
    with pytest.raises(CourseError, match=next(iter(how))):
        strided_perplexity(model, "the soup was cold " * 100, **how)
    for text in (["a b", "c"], None):
        with pytest.raises(CourseError, match="neither a string nor a list of ids"):
            strided_perplexity(model, text)


def test_how_a_task_was_read_is_not_said_anew():
    task = load_task(rows(["neg", "pos"] * 9), split="test")
    model = says(["neg", "pos"], [1, 0])
    assert evaluate_model(model, task, text="text", label="label", kind="classify").rows == 18
    for how in (dict(text="body"), dict(label="stars"), dict(kind="regress")):
        with pytest.raises(CourseError, match=f"{next(iter(how))}=.* is a Task"):
            evaluate_model(model, task, **how)
        with pytest.raises(CourseError, match="is a Task"):
            fine_tune_model(model, task, **how)


def test_a_correlation_that_some_resamples_lack_is_compared_all_the_same():
    model = says([], [0.5], "regress")
    report = evaluate_model(model, [{"text": f"film {'so ' * i}", "score": i} for i in range(4)])
    for pred in (report.pred + [0, 1, 2, 3], report.pred + [0, 0, 0, 9]):
        report.pred = pred
        report.of["pearson"] = CorrelationScore(pearson, report.true, pred)
        report.scores["pearson"] = report.of["pearson"](slice(None))
        found = compare(report, report, "pearson")
        assert found.difference == found.low == found.high == 0


@pytest.mark.parametrize("n", [1, 20, 60, 1000])
def test_calibration_of_rows_that_are_all_right_is_not_certain(n):
    probs = np.tile([0.001, 0.999], (n, 1))
    low, high = CalibrationScore(probs, np.ones(n, int)).interval()
    assert low == 0
    assert high >= 0.999 - 0.025 ** (1 / n) - 1e-9
    assert high <= 1


def test_pieces_of_a_text_are_said_to_be_pieces():
    model = load_model("tiny-gpt", head="lm")
    report = evaluate_model(model, [{"text": "the soup was cold " * 500}])
    assert report.rows > 1
    assert any("pieces of 1 text," in x for x in report.notes)
    short = evaluate_model(model, [{"text": f"the soup was cold {i}"} for i in range(9)])
    assert not any("pieces" in x for x in short.notes)


def test_what_is_asked_of_reports_is_checked():
    report = evaluate_model(says(["neg", "pos"], [1, 0]), rows(["neg", "pos"] * 9))
    assert len(report.hardest(0)) == 0
    for n in (-1, "5", 2.0, None):
        with pytest.raises(CourseError, match="rows to show"):
            report.hardest(n)
    with pytest.raises(CourseError, match="resamples to draw"):
        compare(report, report, "mcc", n=0)
    with pytest.raises(CourseError, match="names"):
        compare(report, report, names=("one",))


def test_rows_without_any_label_are_said_to_give_no_f1():
    model = says("ab", [-5, -5], "multilabel")
    data = [{"text": f"film {i}", "a": 0, "b": 0} for i in range(60)]
    report = evaluate_model(model, data, label=["a", "b"])
    assert report["subset_accuracy"] == 1
    assert any("F1 is then 0 by convention" in x for x in report.notes)
