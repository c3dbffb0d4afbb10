"""Every exercise of a converted lesson judges 200 mutants of its answers well: a wrong one does not pass, a right one
is not refused, and no mistake is called by a false name.
"""

import importlib
import inspect
from pathlib import Path

import pytest

import ftcourse.course.exercises
from ftcourse.course.practice.exercises import MOST_PRINTED, Exercise, outcome
from ftcourse.course.practice.mutants import is_written, try_mutants

MODULES = sorted(p.stem for p in Path(ftcourse.course.exercises.__file__).parent.glob("lesson_[0-9][0-9].py"))


def exercises(name):
    found = vars(importlib.import_module(f"ftcourse.course.exercises.{name}")).values()
    return [x for x in found if isinstance(x, Exercise)]


EVERY = [x for name in MODULES for x in exercises(name)]
named = pytest.mark.parametrize("exercise", EVERY, ids=[x.number for x in EVERY])


def test_there_are_exercises():
    assert EVERY


@named
def test_an_exercise_judges_its_mutants_well(exercise):
    tried = try_mutants(exercise)
    print(tried)
    assert tried.faults == []
    assert tried.mutants >= 200
    assert tried.right < tried.mutants / 2, "most mutants are right all the same: nothing was tried"


@named
def test_an_answer_can_be_printed_and_has_the_name_and_the_arguments_of_the_stub(exercise):
    "Answers are named functions: `solution` prints them, and their mutants are made of their source."
    assert all(is_written(f) for f in (exercise.answer, *exercise.also))
    assert exercise.answer.__name__ == exercise.name
    source = inspect.getsource(exercise.answer)
    assert source.startswith(f"def {exercise.name}(")
    assert '"""' not in source


@named
def test_random_inputs_are_the_same_every_time(exercise):
    from random import Random

    twice = [[repr(exercise.generate(Random(k))) for k in range(5)] for _ in range(2)]
    assert twice[0] == twice[1]
    assert len(set(twice[0])) > 1


def in_other_words(mistake, exercise):
    "The mistake, but for the words of an error that is asked for, or of a division by zero."

    def attempt(*arguments):
        try:
            return mistake(*arguments)
        except Exception as e:
            if isinstance(e, (ArithmeticError, type(outcome(exercise.answer, arguments)))):
                raise type(e)("in other words") from None
            raise

    return attempt


@named
def test_a_mistake_keeps_its_name_whatever_the_words_of_its_errors(exercise):
    said = {
        s: {exercise.judge(in_other_words(f, exercise))[1] for t, f, _ in exercise.known if t == s}
        for s in exercise.mistakes
    }
    assert said == {s: {s} for s in exercise.mistakes}


@named
def test_an_attempt_that_prints_for_every_input_does_not_flood_its_verdict(exercise, capsys):
    exercise.judge(lambda *arguments: print("looking", *arguments, sep="\n"))
    assert len(capsys.readouterr().out.splitlines()) <= MOST_PRINTED + 1


def pairs(predicted, true):
    return sum(p == t for p in predicted for t in true) / len(true)


def first_label(labels):
    return labels.count(labels[0]) / len(labels)


def largest_label(labels):
    return labels.count(max(labels)) / len(labels)


def mean_of_the_diagonal(table):
    total = 0
    for i in range(len(table)):
        total += table[i][i]
    return total / len(table)


def probabilities_wanted(logits, labels):
    import torch

    return torch.nn.BCELoss(reduction="sum")(logits, labels.float()), len(labels)


def the_label(labels):
    return max(set(labels), key=labels.count)


def exponential_of_the_logit(logits, labels):
    import torch

    return (1 + torch.exp(-logits * (2 * labels - 1))).log().sum(), len(labels)


def exponential_times_the_label(logits, labels):
    import torch

    ones, zeros = torch.log1p(torch.exp(-logits)), torch.log1p(torch.exp(logits))
    return (labels * ones + (1 - labels) * zeros).sum(), len(labels)


def label_ignored(logits, labels):
    import torch.nn.functional as F

    return -F.logsigmoid(logits).sum(), len(labels)


def ones_counted(logits, labels):
    import torch.nn.functional as F

    return F.softplus((1 - 2 * labels) * logits).sum(), int((labels == 1).sum())


def minus_and_plus(logits, labels):
    import torch
    import torch.nn.functional as F

    return F.cross_entropy(torch.stack([-logits, logits], 1), labels, reduction="sum"), len(labels)


def a_column_meets_a_row(logits, labels, smoothing):
    keep = labels != -100
    logp = logits[keep].log_softmax(-1)
    own = logp.gather(-1, labels[keep][:, None])
    return -((1 - smoothing) * own + smoothing * logp.mean(-1)).sum(), int(keep.sum())


def every_row_counted(logits, labels, smoothing):
    import torch.nn.functional as F

    return F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum"), len(labels)


@pytest.mark.parametrize(
    "number, slip, words",
    [
        ("01.1", pairs, "every prediction with every label"),
        ("01.2", first_label, "the first label"),
        ("01.2", largest_label, "by the alphabet"),
        ("01.3", mean_of_the_diagonal, "You averaged counts"),
        ("01.2", the_label, "the label itself"),
        ("06.1", probabilities_wanted, "wants probabilities, and these are logits"),
        ("06.1", exponential_of_the_logit, "an `exp` is too large"),
        ("06.1", exponential_times_the_label, "0 times infinity"),
        ("06.1", label_ignored, "the same whatever the labels say"),
        ("06.1", ones_counted, "count them too"),
        ("06.1", minus_and_plus, "differ by 2z"),
        ("06.3", a_column_meets_a_row, "(n, 1) meet"),
        ("06.3", every_row_counted, "Your count takes in"),
    ],
)
def test_a_slip_that_a_reader_made_has_a_name(number, slip, words):
    exercise = next(x for x in EVERY if x.number == number)
    verdict, said = exercise.judge(slip)
    assert verdict == "wrong"
    assert words in said
