"""Scores of generations beside sacrebleu and rouge-score, and a task of lm-eval beside ours (extra `llm`)."""

import json
import random

import numpy as np
import pytest

from ftcourse.metrics.generation import bleu, rouge_l
from ftcourse.metrics.scores import exact_match
from ftcourse.models.generate import continuation_logps, generate
from ftcourse.models.load import load_model

SAID = "the a cat dog sat on mat, mat. 3.5 1,000 well-known it's (so) he said: -- no! &amp; Müller".split()


def some_texts(seed, n=40):
    dice = random.Random(seed)
    return [" ".join(dice.choices(SAID, k=dice.randint(1, 12))) for _ in range(n)]


def test_bleu_is_that_of_sacrebleu():
    sacrebleu = pytest.importorskip("sacrebleu")
    for seed in range(5):
        preds, golds, others = (some_texts(seed * 3 + i) for i in range(3))
        assert bleu(preds, golds) == pytest.approx(sacrebleu.corpus_bleu(preds, [golds]).score / 100, abs=1e-9)
        both = sacrebleu.corpus_bleu(preds, [golds, others]).score / 100
        assert bleu(preds, list(zip(golds, others))) == pytest.approx(both, abs=1e-9)
        for p, g in zip(preds, golds):
            assert bleu([p], [g]) == pytest.approx(sacrebleu.corpus_bleu([p], [[g]]).score / 100, abs=1e-9)
    assert bleu(["Paris"], ["Paris"]) == sacrebleu.corpus_bleu(["Paris"], [["Paris"]]).score == 0


def test_rouge_l_is_that_of_rouge_score_where_letters_are_a_to_z():
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rougeL"])
    for seed in range(5):
        for p, g in zip(some_texts(seed), some_texts(seed + 100)):
            p, g = p.replace("ü", "u"), g.replace("ü", "u")
            assert rouge_l(p, g) == pytest.approx(scorer.score(g, p)["rougeL"].fmeasure, abs=1e-9)
    # it drops every other letter
    assert scorer.score("Müller", "Möller")["rougeL"].fmeasure == 1
    assert rouge_l("Müller", "Möller") == 0
    assert scorer.score("你好", "你好")["rougeL"].fmeasure == 0
    assert rouge_l("你好", "你好") == 1


QUESTIONS = [
    ("The film was", [" superb.", " dreadful.", " on Tuesday."], 0),
    ("I found the pasta", [" the waiter.", " quite acceptable.", " quite"], 1),
    ("My friends hugged me", [" for the idea.", " soup.", " and"], 0),
    ("We asked for", [" the bill.", " Abbott.", " a real wonder and a joy."], 0),
    ("The waiter forgot", [" our drinks.", " is.", " quite musty."], 2),
    ("I would choose it", [" dreadful", " next time.", " the"], 1),
]


def test_the_numbers_of_lm_eval_are_ours_to_the_digit(tmp_path, monkeypatch):
    lm_eval = pytest.importorskip("lm_eval")
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = [{"question": q, "choices": c, "answer": a, "first": c[a].split()[0].strip(".")} for q, c, a in QUESTIONS]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    shared = f"""dataset_path: json
dataset_kwargs: {{data_files: {{test: {tmp_path / "rows.jsonl"}}}}}
test_split: test
doc_to_text: "{{{{question}}}}"
"""
    (tmp_path / "small_choice.yaml").write_text(
        "task: small_choice\n" + shared + "output_type: multiple_choice\ndoc_to_choice: choices\n"
        'doc_to_target: answer\ntarget_delimiter: ""\nmetric_list: [{metric: acc}, {metric: acc_norm}]\n'
    )
    (tmp_path / "small_text.yaml").write_text(
        "task: small_text\n" + shared + "output_type: generate_until\ndoc_to_target: first\n"
        'generation_kwargs: {until: ["."], do_sample: false, max_gen_toks: 12}\n'
        "metric_list: [{metric: exact_match, ignore_case: true, ignore_punctuation: true}]\n"
    )
    gpt = load_model("tiny-gpt", head="lm")
    lm = HFLM(pretrained=gpt.network, tokenizer=gpt.tokenizer, batch_size=4, add_bos_token=True, device="cpu")
    found = lm_eval.simple_evaluate(
        lm,
        tasks=["small_choice", "small_text"],
        task_manager=TaskManager(include_path=str(tmp_path), include_defaults=False),
        bootstrap_iters=0,
        log_samples=True,
    )
    theirs = found["results"]

    prompts = [q for q, choices, _ in QUESTIONS for _ in choices]
    texts = [c for _, choices, _ in QUESTIONS for c in choices]
    logps = [x.sum() for x in continuation_logps(gpt, prompts, texts)]
    sums = np.array(logps).reshape(len(QUESTIONS), -1)
    per_letter = sums / [[len(c) for c in choices] for _, choices, _ in QUESTIONS]
    answers = np.array([a for *_, a in QUESTIONS])
    assert theirs["small_choice"]["acc,none"] == (sums.argmax(1) == answers).mean()
    assert theirs["small_choice"]["acc_norm,none"] == (per_letter.argmax(1) == answers).mean()
    for row, sample in zip(sums, found["samples"]["small_choice"]):
        assert np.allclose(row, [r[0] for r in sample["filtered_resps"]], atol=1e-4)

    written = generate(gpt, [q for q, *_ in QUESTIONS], stop=".", max_new_tokens=12)
    said = [sample["filtered_resps"][0] for sample in found["samples"]["small_text"]]
    assert [g.text for g in written] == said
    right = [exact_match(g.text, [row["first"]]) for g, row in zip(written, rows)]
    assert theirs["small_text"]["exact_match,none"] == np.mean(right)
