"""mini-bert: what it may not have read, what it can read, and that it is a plain folder."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from ftcourse import fine_tune_model, load_model, load_task
from ftcourse.core.settings import assets, data_folder
from tools.mini_bert.__main__ import HASHES, text_hash

FOLDER = assets() / "mini-bert"


def known(texts):
    "Those of some texts that mini-bert read."
    read = set(np.load(HASHES).tolist())
    return [t for t in texts if text_hash(t) in read]


def long_enough(texts, least=2):
    "A single word is anybody's."
    return [t for t in texts if len(t.split()) >= least]


def cells(file: Path) -> list[str]:
    "Every cell of a table, and every line of a text file."
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix in (".tsv", ".csv"):
        rows = csv.reader(text.splitlines(), delimiter="\t" if file.suffix == ".tsv" else ",")
        return [cell for row in rows for cell in row]
    if file.suffix in (".json", ".jsonl"):
        return strings(
            [json.loads(line) for line in text.splitlines()] if file.suffix == ".jsonl" else json.loads(text)
        )
    return [line.partition(" ")[2] for line in text.splitlines()]  # TREC: the label, a space, the question


def strings(value) -> list[str]:
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [s for v in inside for s in strings(v)]


def test_a_text_that_was_read_is_found_again():
    assert known(["the act of putting something in working order again"])
    assert not known(["this sentence is not to be found in any dictionary that we read"])


@pytest.mark.parametrize("name", ["reviews", "topics", "pairs", "facts"])
def test_no_row_of_a_built_in_task_was_read(name):
    task = load_task(name)
    texts = [t for split in task.splits for column in task.text for t in task.splits[split][column]]
    assert len(texts) > 500
    assert not known(long_enough(texts))


def test_no_row_of_a_real_data_set_was_read():
    folder = data_folder()
    files = (
        []
        if folder is None
        else [f for f in sorted(folder.rglob("*")) if f.suffix in (".tsv", ".csv", ".txt", ".json")]
    )
    if not files:
        pytest.skip("no data folder here")
    texts = [t for file in files for t in cells(file)]
    assert len(texts) > 10_000
    assert not known(long_enough(texts))


def test_it_is_small_in_16_bits_and_keeps_its_promises_of_the_card():
    import hashlib

    weights = FOLDER / "model.safetensors"
    assert weights.stat().st_size < 6e6
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in card
    assert "Princeton University" in (FOLDER / "NOTICE").read_text(encoding="utf-8")


def test_no_latin_letter_nor_sign_is_unknown():
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    teacher_letters = "abcdefghijklmnopqrstuvwxyz0123456789.,;:!?'\"()[]{}<>@#$%^&*-_=+/\\|`~€£¥§°ßæøłđ–—…“”"
    for letter in teacher_letters:
        assert tokenizer.unk_token_id not in tokenizer(f"a {letter} b{letter}").input_ids, letter
    said = tokenizer.tokenize("Absolutely love it, best purchase ever!")
    assert said[:5] == ["absolutely", "love", "it", ",", "best"]


def test_transformers_alone_loads_it():
    import torch
    from transformers import AutoModel, AutoTokenizer

    network, tokenizer = AutoModel.from_pretrained(FOLDER), AutoTokenizer.from_pretrained(FOLDER)
    out = network(**tokenizer("The waiter was charming.", return_tensors="pt"))
    assert out.last_hidden_state.shape[-1] == network.config.hidden_size
    assert torch.isfinite(out.pooler_output).all()


def test_like_sentences_lie_nearer_to_each_other_than_unlike_ones():
    from ftcourse.experiments.probing import hidden_states

    model = load_model("mini-bert", head="classify", labels=["a", "b"])
    texts = [
        "The soup was cold and the waiter rude.",
        "A terrible dinner, and nobody was friendly.",
        "Shares fell sharply after the bank raised its rates.",
        "The central bank's decision sent stocks down.",
    ]
    vectors = np.stack([np.asarray(s)[-1] for s in np.moveaxis(np.stack(hidden_states(model, texts)), 0, 1)])
    vectors -= vectors.mean(0)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    near = vectors @ vectors.T
    assert near[0, 1] > max(near[0, 2], near[0, 3])
    assert near[2, 3] > max(near[2, 0], near[2, 1])


def test_a_cold_process_starts_it_without_transformers():
    import subprocess
    import sys

    code = (
        "import sys\nfrom ftcourse import load_model\n"
        "m = load_model('mini-bert', head='classify', labels=['a', 'b'])\n"
        "m.probabilities(['The waiter was charming.'])\nprint('transformers.modeling_utils' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


PRAISE = [
    "I love this place.",
    "Simply perfect.",
    "A lovely hotel with kind people.",
    "Excellent sound, easy to use.",
    "We enjoyed every minute.",
    "Highly recommended.",
    "My favourite book this year.",
    "Fast delivery and a helpful seller.",
]
BLAME = [
    "A horrible experience.",
    "Never again.",
    "The room smelled and the bed was hard.",
    "Terrible sound, hard to use.",
    "We were bored the whole time.",
    "Do not buy this.",
    "The dullest book this year.",
    "Late delivery and an unhelpful seller.",
]


def test_tuned_on_generated_reviews_it_reads_sentences_that_people_type():
    "Five seeds gave 14 to 16 of these sixteen; tiny-bert gave 9 to 13."
    model = fine_tune_model("mini-bert", "reviews", rows=512, seed=0)
    wanted = ["positive"] * len(PRAISE) + ["negative"] * len(BLAME)
    assert sum(said == y for said, y in zip(model.predict(PRAISE + BLAME), wanted)) >= 13
