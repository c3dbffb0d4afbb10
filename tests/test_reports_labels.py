"""A model and a test set that do not have the same labels, or do not spell them alike."""

import numpy as np
import pytest
import torch

from ftcourse import evaluate_model, load_task
from ftcourse.core.errors import CourseError
from ftcourse.data.load.columns import label_places
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
    assert "macro F1 is over the 1 labels that occur" in "\n".join(report.notes)
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
