"What the pages on students and on other sets are made of: `make box`, `make real`."

import sys
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from ftcourse.core.settings import assets

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "measure"))
import distilling  # noqa: E402
import other_sets  # noqa: E402

from tools.mini_bert.teacher import Targets  # noqa: E402

TEXTS = ["We enjoyed every minute.", "The soup was cold.", "Never again."]


def words():
    return Tokenizer.from_file(str(assets() / "mini-bert" / "tokenizer.json"))


@pytest.fixture
def targets():
    "A state for each token: its number in all texts, twice."
    read = words()
    ids = [np.array(e.ids, np.int32) for e in read.encode_batch(TEXTS)]
    ends = np.concatenate([[0], np.cumsum([len(row) for row in ids])])
    numbers = np.arange(ends[-1], dtype=np.float16)
    known = np.concatenate([[False] + [True] * (len(row) - 2) + [False] for row in ids])
    vectors = np.eye(3, dtype=np.float32)
    return Targets(np.concatenate(ids), ends, vectors, np.stack([numbers, numbers], 1), known)


def test_a_part_of_the_texts_keeps_what_belongs_to_each(targets):
    part = distilling.selected(targets, np.array([2, 0]))
    first = slice(targets.ends[2], targets.ends[3])
    assert part.ids[: part.ends[1]].tolist() == targets.ids[first].tolist()
    assert part.states[: part.ends[1]].tolist() == targets.states[first].tolist()
    assert part.vectors.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert part.ends[-1] == len(part.ids) == len(part.known) == len(part.states)


def test_the_same_vocabulary_changes_nothing(targets):
    same = distilling.recut(targets, TEXTS, words(), words())
    assert same.ids.tolist() == targets.ids.tolist() and same.ends.tolist() == targets.ends.tolist()
    assert same.known.tolist() == targets.known.tolist()
    assert same.states[same.known].tolist() == targets.states[targets.known].tolist()


def test_a_word_that_is_cut_otherwise_gets_the_mean_of_its_states_for_each_piece(targets):
    import json

    made = json.loads(words().to_str())
    for gone in ("enjoyed",):
        del made["model"]["vocab"][gone]
    fewer = Tokenizer.from_str(json.dumps(made))
    found = distilling.recut(targets, TEXTS, words(), fewer)
    place = words().encode(TEXTS[0]).tokens.index("enjoyed")
    pieces = [k for k, word in enumerate(fewer.encode(TEXTS[0]).word_ids) if word == 1]
    assert len(pieces) > 1
    assert all(found.states[k].tolist() == targets.states[place].tolist() for k in pieces)
    after = found.ends[1] - 2  # the full stop: its state moved with it
    assert found.states[after].tolist() == targets.states[targets.ends[1] - 2].tolist()


def test_texts_that_were_cut_otherwise_when_the_teacher_was_asked_are_refused(targets):
    targets.ids[1] += 1
    with pytest.raises(AssertionError, match="text 0 was cut otherwise"):
        distilling.recut(targets, TEXTS, words(), words())


def test_the_page_on_students_says_what_differs(monkeypatch):
    monkeypatch.setattr(distilling, "described", lambda machine: "here")
    found = dict(step=1000, texts=64_000, parameters=2_480_000, text=0.5, tokens=0.3, seconds=45)
    found["scores"] = {f"{task} {n}": [0.6, 0.7] for task, n in distilling.CELLS}
    ceilings = {"trec 512": [{"the teacher's vectors": 0.8, "their 128 directions": 0.7}]}
    record = {"machine": {}, "students": {"four layers": found}, "ceilings": ceilings}
    log = dict(step=15_420, text=0.4, tokens=0.2, seconds=676)
    page = distilling.written(record, {}, log)
    assert "| four layers | 1,000 | 64,000 | 2.48M | 50.0% | 30.0% | 0.650 (0.600–0.700) |" in page
    assert "| mini-bert, as shipped | 15,420 |" in page
    assert "| trec | 512 | 0.800 | 0.700 |" in page


@pytest.mark.parametrize(
    "simple, said", [(0.7, "in 1 of 1 scores."), (0.9, "behind in mini-bert, glue:qqp 128, accuracy -0.100")]
)
def test_the_page_on_other_sets_says_where_a_simple_model_is_ahead(monkeypatch, simple, said):
    monkeypatch.setattr(other_sets, "described", lambda machine: "here")
    runs = {
        other_sets.Job("mini-bert", "glue:qqp", 128, seed): {
            "scores": {"accuracy": {"the defaults": 0.8, "cosine": simple}},
            "guessing": 0.6, "rows": 1000, "seconds": 4.0,
        }
        for seed in (0, 1)
    }  # fmt: skip
    assert said in other_sets.written({"machine": {}}, runs)
