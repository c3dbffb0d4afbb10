"""A run that did not learn says so, with what to change; a run that did says nothing."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from ftcourse import HyperParams, fine_tune_model, load_task
from ftcourse.metrics.evaluation import beyond_chance
from ftcourse.train.history import History, Step
from ftcourse.train.schedule import warn_unlearned


def heard(call):
    "What a call warns of."
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in caught]


def shuffled(task, seed):
    "The same texts and the same labels, in another order."
    splits = {}
    for name, rows in task.splits.items():
        labels = list(rows[task.label])
        np.random.default_rng([seed, len(rows)]).shuffle(labels)
        splits[name] = rows.remove_columns(task.label).add_column(task.label, labels)
    return replace(task, splits=type(task.splits)(splits))


@pytest.fixture(scope="module")
def small():
    "Tasks with 64 training rows, and so as many rows to validate on."
    return {name: load_task(name).take(64) for name in ("reviews", "topics")}


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_labels_are_learned_by_heart_and_that_is_said(small, seed):
    task = shuffled(small["reviews"], seed)
    (said,) = heard(lambda: fine_tune_model("tiny-bert", task, seed=seed, max_steps=80, precision="no"))
    assert "nothing was learned that holds for other rows" in said
    assert "64 validation rows" in said
    assert "these rows were learned by heart" in said
    assert "with their labels: do they belong together?" in said


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["reviews", "topics"])
def test_what_was_learned_is_not_called_unlearned(small, name, seed):
    assert heard(lambda: fine_tune_model("tiny-bert", small[name], seed=seed, max_steps=60)) == []


def test_one_class_for_all_rows_is_said_with_the_direction_of_the_rate(small):
    (slow,) = heard(lambda: fine_tune_model("tiny-bert", small["reviews"], lr=1e-7, max_steps=30))
    assert "the answer" in slow
    assert "Try a higher lr (0.0009 suits this model, and it was 1e-07)" in slow
    (fast,) = heard(lambda: fine_tune_model("tiny-bert", small["reviews"], lr=0.3, max_steps=30))
    assert "the answer to all 64 validation rows is '" in fast
    assert "Try a lower lr (0.0009 suits this model, and it was 0.3)" in fast
    assert heard(lambda: fine_tune_model("tiny-bert", small["reviews"], lr=0, max_steps=4)) == []  # as it was asked for


def past(losses, validations=None, lr=1e-4):
    "A history of such training losses."
    scores = validations or [None] * len(losses)
    return History([Step(n, n, x, 2, lr, 1.0, 8, 0.1, v) for n, (x, v) in enumerate(zip(losses, scores), 1)])


@pytest.mark.parametrize("seed", range(5))
def test_without_validations_the_training_loss_tells(seed):
    noise = np.random.default_rng(seed).normal(0, 0.1, 60)
    flat, falling = list(0.7 + noise), list(np.linspace(0.9, 0.3, 60) + noise)
    (said,) = heard(lambda: warn_unlearned(past(flat), HyperParams(), usual=1e-4))
    assert "the training loss did not fall: it was 0." in said
    assert "after 60 updates. Try more epochs or a higher lr" in said
    assert heard(lambda: warn_unlearned(past(falling), HyperParams())) == []
    assert heard(lambda: warn_unlearned(past(flat[:12]), HyperParams())) == []  # too few to tell
    assert heard(lambda: warn_unlearned(past([5.0] * 6 + [0.1] * 54), HyperParams())) == []
    uneven = list(np.linspace(0.8, 0.5, 45)) + [0.05, 0.9, 0.1, 0.8, 0.1]
    assert heard(lambda: warn_unlearned(past(uneven), HyperParams())) == []
    assert heard(lambda: warn_unlearned(past(flat, lr=0.0), HyperParams(lr=0))) == []


def test_few_validation_rows_are_no_evidence():
    known = dict(only=None, always="a", majority=0.5, z=0.3)
    few, many = ([dict(known, rows=n)] * 4 for n in (49, 50))
    assert heard(lambda: warn_unlearned(past([0.7] * 8), HyperParams(), few)) == []
    (said,) = heard(lambda: warn_unlearned(past([0.7] * 8), HyperParams(), many))
    assert "than always answering 'a' (0.500)" in said
    late = [dict(known, rows=50, z=z) for z in (0, 0, 0.5, 1, 5)]  # learned at the very end
    assert heard(lambda: warn_unlearned(past([0.7] * 8), HyperParams(), late)) == []


def test_beyond_chance_is_in_standard_errors_of_what_chance_does():
    draw = np.random.default_rng(0)

    def z(kind, true, pred, labels=()):
        made = type("R", (), dict(kind=kind, true=true, pred=pred, labels=labels))
        return beyond_chance(made)

    names = ["a", "b", "c"]
    for kind, drawn in (
        ("classify", lambda: draw.choice(3, 80, p=[0.6, 0.3, 0.1])),
        ("multilabel", lambda: (draw.random((80, 4)) < [0.1, 0.3, 0.5, 0.9]).astype(int)),
        ("regress", lambda: draw.normal(size=80)),
    ):
        found = [z(kind, drawn(), drawn(), names)["z"] for _ in range(400)]
        assert abs(np.mean(found)) < 0.2
        assert 0.85 < np.std(found) < 1.15
        same = drawn()
        assert z(kind, same, same, names)["z"] > 6
    one = z("classify", np.array([0, 1, 1, 1]), np.zeros(4, int), names)
    assert one == dict(rows=4, only="a", always="b", majority=0.75, z=0.0)
    assert z("span", None, None) is None


@pytest.mark.parametrize("start, advised", [({}, False), ({"head_start": "random", "lr": 1.7e-4}, True)])
def test_the_cure_names_a_rate_that_suits_the_start_of_the_head(start, advised):
    "The default rate of a head that begins as a regression is too low for a random one alone."
    task = shuffled(load_task("reviews").take(100), 0)
    said = " ".join(heard(lambda: fine_tune_model("tiny-bert", task, max_steps=20, **start)))
    assert "nothing was learned" in said
    assert ("0.0009 suits this model" in said) == advised
