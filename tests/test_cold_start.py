"""A process that has not imported transformers gives the same models, bit by bit, and does not import it."""

import json
import os
import subprocess
import sys

import pytest

from ftcourse.models.fast import plain

KINDS = {
    "tiny-bert": ("classify", "multilabel", "regress", "span"),
    "mini-bert": ("classify", "span"),
    "tiny-gpt": ("classify", "multilabel", "regress", "span", "lm"),
}

SCRIPT = r'''
import hashlib, json, sys
if sys.argv[1] == "warm":
    import transformers.modeling_utils
import torch
from ftcourse import load_model

def weights(model):
    h = hashlib.sha256()
    for name, p in model.quick_network.named_parameters(remove_duplicate=False):
        h.update(name.encode() + p.detach().numpy().tobytes())
    return h.hexdigest()

def says(model):
    if model.kind == "lm":
        return None
    texts = [("who?", "Anna. She won.")] if model.kind == "span" else ["a good film", "[SEP] is bad"]
    return repr([x if model.kind == "span" else x.tolist() for x in model._outputs(texts)])

def loaded():
    return "transformers.modeling_utils" in sys.modules

found = []
for name, kinds in json.loads(sys.argv[2]).items():
    for kind in kinds:
        labels = ["a", "b", "c"] if kind in ("classify", "multilabel") else None
        model = load_model(name, head=kind, labels=labels, seed=3, dropout=0.2)
        said = says(model)
        found.append(dict(
            name=[name, kind], sha256=weights(model), said=said, repr=repr(model), new=model.new,
            parameters=str(model.table()), info=repr(model.info),
            state=sorted(model.quick_network.state_dict()),
            buffers=[n for n, _ in model.quick_network.named_buffers()],
            vocabulary=len(model.quick_tokenizer), ids=model.quick_tokenizer.all_special_ids,
        ))
trained = load_model(sys.argv[3])
found.append(dict(said=says(trained), sha256=weights(trained), info=repr(trained.info)))
early = loaded()

# and then transformers is asked for: the same parameters, outputs and settings
from ftcourse import fine_tune_model
model = load_model("tiny-bert", head="classify", labels=["a", "b"], dropout=0.3)
before, parameters = says(model), [id(p) for p in model.quick_network.parameters()]
twin = model.copy()
network = model.network
assert type(network).__name__ == "BertForSequenceClassification" and network is model.quick_network
assert [id(p) for p in network.parameters()] == parameters and says(model) == before
assert network.config.id2label == {0: "a", 1: "b"} and network.config.hidden_dropout_prob == 0.3
assert network.bert.embeddings.dropout.p == 0.3 and not network.training
assert says(twin) == before and twin.tokenizer("a film").input_ids[0] == 2
assert type(model.tokenizer).__name__ == "BertTokenizer"
handle = network.bert.encoder.layer[0].register_forward_hook(lambda *_: found.append("watched"))
says(model)
handle.remove()
assert found.pop() == "watched"
print(json.dumps([early, found]))
'''


def run(how, *arguments):
    env = dict(os.environ, PYTHONWARNINGS="ignore", OMP_NUM_THREADS="1")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how, *map(str, arguments)], capture_output=True, text=True, env=env
    )
    assert not done.returncode, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    from ftcourse import fine_tune_model

    model = fine_tune_model("tiny-bert", "reviews", rows=32, epochs=1)
    return model.save(tmp_path_factory.mktemp("cold") / "model")


def test_a_cold_process_loads_and_says_the_same_bit_by_bit_without_transformers(saved):
    (cold_loaded, cold), (warm_loaded, warm) = (run(how, json.dumps(KINDS), saved) for how in ("cold", "warm"))
    assert not cold_loaded
    assert warm_loaded
    assert len(cold) == 12
    for one, other in zip(cold, warm):
        assert one == other


def start(folder):
    "Whether a fresh process starts this folder plain."
    code = "import sys; from ftcourse.models.fast.plain import plain_checkpoint as p; print(bool(p(sys.argv[1])))"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"


def test_only_what_was_proven_starts_plain(saved, tmp_path, monkeypatch):
    import shutil

    assert start(saved)
    folder = shutil.copytree(saved, tmp_path / "edited")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-5}))
    assert not start(folder)
    folder = shutil.copytree(saved, tmp_path / "other_version")
    note = json.loads((folder / "ftcourse.json").read_text())
    note["proven"]["transformers"] = "5.0.0"
    (folder / "ftcourse.json").write_text(json.dumps(note))
    assert not start(folder)
    folder = shutil.copytree(saved, tmp_path / "unsaid")
    del note["proven"]
    (folder / "ftcourse.json").write_text(json.dumps(note))
    assert not start(folder)


def test_the_built_in_models_are_proven_with_the_pinned_version_and_no_other():
    from importlib.metadata import version

    from ftcourse.core.settings import assets

    assert start(assets() / "tiny-bert") == (version("transformers") == plain.PROVEN_WITH)


@pytest.mark.parametrize("name", plain.BUILT_IN)
def test_the_built_in_tokenizers_are_those_that_transformers_makes(name):
    from transformers import AutoTokenizer

    from ftcourse.core.settings import assets

    mine, theirs = plain.PlainTokenizer(assets() / name), AutoTokenizer.from_pretrained(assets() / name)
    assert mine.backend_tokenizer.to_str() == theirs.backend_tokenizer.to_str()
    asked = ("special_tokens_map", "all_special_ids", "all_special_tokens", "model_max_length", "padding_side")
    asked += ("truncation_side", *(f"{t}_token" for t in plain.SPECIAL), *(f"{t}_token_id" for t in plain.SPECIAL))
    for attribute in asked:
        assert getattr(mine, attribute) == getattr(theirs, attribute), attribute
    assert len(mine) == len(theirs)
    assert mine.get_vocab() == theirs.get_vocab()
    assert mine.convert_tokens_to_ids(["film", "nowhere"]) == theirs.convert_tokens_to_ids(["film", "nowhere"])


TRAIN = r'''
import hashlib, sys, tempfile, shutil
if sys.argv[1] == "warm":
    import transformers.modeling_utils
from ftcourse import evaluate_model, fine_tune_model, load_model
folder = shutil.copytree(sys.argv[2], tempfile.mkdtemp() + "/model")
model = fine_tune_model(str(folder), "reviews", rows=32, epochs=2, train="last-1")
report = evaluate_model(model, "reviews", rows=50)
plain = "transformers.modeling_utils" not in sys.modules
shutil.rmtree(folder)  # what it started from is gone
again = load_model(model.save(folder))
h = hashlib.sha256()
for p in again.network.parameters():
    h.update(p.detach().numpy().tobytes())
print(plain, h.hexdigest(), report.scores["accuracy"])
'''


def test_training_and_scoring_give_the_same_weights_without_transformers(saved):
    env = dict(os.environ, PYTHONWARNINGS="ignore", OMP_NUM_THREADS="1")
    found = {}
    for how in ("cold", "warm"):
        done = subprocess.run([sys.executable, "-c", TRAIN, how, str(saved)], capture_output=True, text=True, env=env)
        assert not done.returncode, done.stderr[-3000:]
        found[how] = done.stdout.splitlines()[-1].split(" ", 1)
    assert found["cold"][0] == "True"
    assert found["warm"][0] == "False"
    assert found["cold"][1] == found["warm"][1]
