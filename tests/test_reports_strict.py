"""Ids of questions, special tokens in documents and prompts, tokens that were scored, cures of a mismatch,
the Trainer's label smoothing (cases a-l05 and e30, kinds 4, 7 and 9).
"""

import json
import re

import pytest
import torch

from ftcourse import CourseError, HyperParams, evaluate_model, fine_tune_model, load_model, load_task
from ftcourse.data.encode.texts import encode
from ftcourse.metrics.evaluation import evaluate
from ftcourse.tasks.qa import read_squad
from ftcourse.train.hf_trainer import features, trainer_for

REVIEWS = [
    {"text": f"the {'soup' if i % 3 else 'room'} was {('good', 'bad')[i % 2]} {i}", "label": ("pos", "neg")[i % 2]}
    for i in range(40)
]


def squad(path, *ids):
    "A file in SQuAD's form: a question for each id; () for a question without one."
    asked = [
        {"question": "Who left?", "answers": [{"text": "Mara", "answer_start": 0}]} | ({} if i == () else {"id": i})
        for i in ids
    ]
    whole = {"data": [{"paragraphs": [{"context": "Mara left.", "qas": asked}]}]}
    path.write_text(json.dumps(whole), encoding="utf-8")
    return str(path)


# kind 4: one strict reader


@pytest.mark.parametrize("ids", [("a", "b", "a"), (1, 2, "1"), (["x"], 7, ["x"])])
def test_a_question_whose_id_comes_twice_is_named(tmp_path, ids):
    found = []
    assert len(read_squad(squad(tmp_path / "s.json", *ids), found)) == 2
    assert "its id is that of an earlier question" in str(found[0])
    assert len(read_squad(squad(tmp_path / "m.json", "a", "b", "c"))) == 3


@pytest.mark.parametrize("ids", [((), (), ()), (None, None, 0), ((), 0, 1), ("a", (), "b")])
def test_ids_that_are_missing_or_differ_are_not_repeated(tmp_path, ids):
    file = squad(tmp_path / "s.json", *ids)
    assert len(load_task(file, split="test").test) == len(read_squad(file)) == 3


# e30: documents and prompts


def test_a_l05_the_report_of_a_language_model_says_how_many_tokens_were_scored():
    for name in ("tiny-gpt", "tiny-bert"):
        model = load_model(name, head="lm")
        e = encode([{"text": r["text"]} for r in REVIEWS], model.tokenizer, kind="lm", text="text")
        report = evaluate(model, e)
        (n,) = [
            int(re.match(r"([\d,]+) tokens were scored", x)[1].replace(",", "")) for x in report.notes if "tok" in x
        ]
        assert n >= len(e)
        if name == "tiny-gpt":
            assert n == sum(e.lengths) - len(e)
    task = load_task([{"text": r["text"]} for r in REVIEWS], kind="lm", split="test")
    assert "tokens were scored" in str(evaluate_model(load_model("tiny-gpt", head="lm"), task))


# a mismatch, and its cure


def test_the_cures_of_a_model_made_for_another_kind_work():
    several = load_model("tiny-bert", head="multilabel", labels=["neg", "pos"])
    with pytest.raises(CourseError, match='load the data with kind="multilabel"'):
        evaluate(several, load_task(REVIEWS, split="test"))
    assert evaluate(several, load_task(REVIEWS, kind="multilabel", split="test")).rows == 40
    one = load_model("tiny-bert", head="classify", labels=["neg", "pos"])
    lists = [r | {"label": [r["label"]]} for r in REVIEWS]
    with pytest.raises(CourseError, match='fine-tune it on the task first, or load the data with kind="classify"'):
        evaluate(one, load_task(lists, kind="multilabel", split="test"))
    assert evaluate(one, load_task(lists, kind="classify", split="test")).rows == 40
    made = fine_tune_model(one, load_task(lists, kind="multilabel"), epochs=1, max_steps=2, warmup=0)
    assert evaluate(made, load_task(lists, kind="multilabel", split="test")).rows == 40


# kind 9


def test_the_trainer_smooths_what_it_learns_and_not_what_it_scores(tmp_path):
    model = load_model("tiny-bert", head="classify", labels=["neg", "pos"], seed=1)
    task = load_task(REVIEWS, split="test")
    e = encode(task.test, model.tokenizer, kind="classify", text="text", label="label", labels=["neg", "pos"])
    hp = HyperParams(lr=1e-3, epochs=1, max_steps=1, head_lr=1.0, batch_size=8, label_smoothing=0.3, warmup=0)
    t = trainer_for(model, e, hp, tmp_path, eval_dataset=features(e))
    assert t.evaluate()["eval_loss"] == pytest.approx(evaluate(model, e)["loss"], abs=1e-4)
    with torch.no_grad():
        batch = t._prepare_inputs(t.data_collator(features(e)[:8]))
        model.network.train()
        out = model.network(**{k: v for k, v in batch.items() if k != "labels"})
        smoothed = torch.nn.functional.cross_entropy(out.logits, batch["labels"], label_smoothing=0.3)
        assert torch.isclose(t.compute_loss_func(out, batch["labels"]), smoothed)


# e27: what is given is not asked for again


def test_e27_the_call_of_the_case_is_understood():
    rows = [{"id": i, "comment_text": f"it was {i}", "toxic": i % 2, "insult": 0} for i in range(4)]
    none = [{"id": 9, "comment_text": "it is", "toxic": -1, "insult": -1}]
    task = load_task({"train": rows, "test": [*rows[:1], *none]}, label=["toxic", "insult"])
    assert (task.text, len(task.test), len(task.unlabelled)) == (("comment_text",), 1, 1)


@pytest.mark.parametrize("label", ["toxic", ["toxic", "insult"], ("insult", "toxic")])
def test_e27_a_cure_names_no_label_where_one_was_given(label):
    rows = [{"id": i, "words": f"it was {i}", "toxic": i % 2, "insult": 1 - i % 2} for i in range(4)]
    with pytest.raises(CourseError, match="Pass text='words'$"):
        load_task(rows, label=label)
    assert load_task(rows, label=label, text="words", split="test").text == ("words",)
    with pytest.raises(CourseError, match="label="):
        load_task([{"id": i, "words": f"it was {i}", "toxic": i % 2} for i in range(4)], label="toxik")
