"Another encoder, decoder and data set in settings.ini, and the lessons follow."

import ast
import csv
import json
import re
from pathlib import Path

import pytest

from ftcourse.course import notebooks as runner

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "nbs" / "lessons").glob("*.ipynb"))
# built in, and each a setting of the profile: a lesson asks for that
NAMES = ("tiny-bert", "tiny-gpt", "reviews", "topics", "facts")
# (lesson, name) that a cell may write all the same, and why.
ALLOWED = {
    ("02", "reviews"): "the messy file and the repeated texts are made on the spot, from the built-in world",
    ("05", "tiny-bert"): "a BERT is taken apart; this one stands in for an encoder of another family",
    ("05", "tiny-gpt"): "a GPT-2 is taken apart; this one stands in for a decoder of another family",
    ("08", "tiny-bert"): "the lesson is about how the built-in models were made",
    ("08", "tiny-gpt"): "the lesson is about how the built-in models were made",
    ("08", "topics"): "the student's teacher is the built-in encoder, which has only read the built-in world",
    ("08", "reviews"): "the same; and two built-in encoders are tuned on it, to be asked about typed sentences",
    ("09", "tiny-bert"): "the two built-in encoders are compared, on built-in text and on typed reviews",
    ("09", "reviews"): "the same",
    ("25", "tiny-bert"): "one process and two are compared, and its parameters are counted, in a file of its own",
    ("25", "reviews"): "the same; other processes read it by name",
    ("13", "facts"): "long documents are put together from passages of the built-in world, by its generator",
}


def plain_cells(path):
    "Code cells that a reader runs: neither exported nor extracted as tests, which name what they are about."
    cells = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    sources = [(c["id"], "".join(c["source"])) for c in cells]
    return [(name, source) for name, source in sources if not re.match(r"#\|\s*(test|export|default_exp)", source)]


def written(path):
    "Built-in names that plain cells of a lesson hold as string literals: {name: cells}."
    found = {}
    for cell, source in plain_cells(path):
        code = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n"))
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES:
                found.setdefault(node.value, []).append(cell)
    return found


@pytest.mark.parametrize("path", LESSONS, ids=[p.stem for p in LESSONS])
def test_a_lesson_asks_its_settings_for_models_and_data(path):
    fixed = {name: cells for name, cells in written(path).items() if (path.stem[:2], name) not in ALLOWED}
    assert fixed == {}, "write here.encoder, here.decoder, here.sentiment, here.topics … with here = start_lesson(N)"


def test_no_exception_is_left_over():
    needed = {(path.stem[:2], name) for path in LESSONS for name in written(path)}
    assert set(ALLOWED) <= needed, "take these out of ALLOWED"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder with settings.ini, profile `mine`: a BERT of another size, a Llama where lessons know GPT-2, a CSV with
    labels of its own.
    """
    import transformers

    from ftcourse.core.settings import assets
    from ftcourse.data.world.generator import generate

    reads = transformers.AutoTokenizer.from_pretrained(assets() / "tiny-bert")
    writes = transformers.AutoTokenizer.from_pretrained(assets() / "tiny-gpt")
    size = dict(
        hidden_size=48, num_hidden_layers=3, num_attention_heads=3, intermediate_size=96, max_position_embeddings=64
    )
    encoder = transformers.BertForMaskedLM(transformers.BertConfig(vocab_size=len(reads), **size))
    decoder = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(vocab_size=len(writes), pad_token_id=writes.pad_token_id, **size)
    )
    for name, network, tokenizer in (("reader", encoder, reads), ("writer", decoder, writes)):
        network.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    with open(tmp_path / "mine.csv", "w", newline="", encoding="utf-8") as f:
        rows = csv.writer(f)
        rows.writerow(["review", "stars"])
        stars = {"positive": "good", "neutral": "fair", "negative": "bad"}
        rows.writerows([r["text"], stars[r["label"]]] for r in generate("reviews-3way", "train", 240))
    own = "\n\n".join(r["text"] for r in generate("reviews", "train", 60, seed=1))
    (tmp_path / "own.txt").write_text(own, encoding="utf-8")
    (tmp_path / "settings.ini").write_text(
        "[mine]\nencoder = ./reader\ndecoder = ./writer\nsentiment = mine.csv\ntopics = topics\nqa = facts\n"
        "glue = miniature\nrows = 64\nlr = 1e-3\n",
        encoding="utf-8",
    )
    for name, value in (("FTCOURSE_PROFILE", "mine"), ("FTCOURSE_CACHE", tmp_path / "cache"), ("OMP_NUM_THREADS", 1)):
        monkeypatch.setenv(name, str(value))
    return tmp_path


def joined(stems, path):
    """Lessons one after the other in one notebook, so that libraries load once.

    Pretraining reads a text of our own, since the world is not what is asked here; test cells are left out, which say
    by name what they test and run in tests/lessons.
    """
    cells = []
    for stem in stems:
        text = (ROOT / "nbs" / "lessons" / f"{stem}.ipynb").read_text(encoding="utf-8")
        nb = json.loads(text.replace(r'load_task(\"world\").take(1000)', r'\"own.txt\"'))
        for cell in nb["cells"]:
            if cell["cell_type"] != "code" or not re.match(r"#\|\s*test\s", "".join(cell["source"])):
                cells.append(cell)
    path.write_text(json.dumps(nb | {"cells": cells}), encoding="utf-8")
    return path


def test_lessons_run_on_another_profile(elsewhere):
    path = joined(["01_fine_tuning", "05_models"], elsewhere / "both.ipynb")
    assert "own.txt" in path.read_text(encoding="utf-8")
    result = runner.run(path, save=True, timeout=120)
    assert result["error"] is None, result["error"]
    assert result["cells"] > 60
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    printed = json.dumps([c["outputs"] for c in cells if c["cell_type"] == "code"])
    for said in (
        "lesson 01 · profile mine",
        "lesson 05 · profile mine",
        "bad, fair, good",
        "from reader",
        "mine.csv/test: 24 rows",
    ):
        assert json.dumps(said)[1:-1] in printed, said
