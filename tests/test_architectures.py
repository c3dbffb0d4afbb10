"""Lesson 05 holds for other architectures than the two built-in ones: six families in miniature, with random weights.

By hand.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
import torch
import transformers

from ftcourse.core.errors import CourseError
from ftcourse.core.hparams import HyperParams
from ftcourse.core.settings import assets
from ftcourse.models.hub import quietly
from ftcourse.models.load import load_model
from ftcourse.models.parts import freeze, parts
from ftcourse.train.optimizer import layerwise_param_groups

SIZE = dict(
    hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32, max_position_embeddings=64
)
ENCODERS = {
    "bert": ("Bert", SIZE),
    "roberta": ("Roberta", SIZE | dict(pad_token_id=1, bos_token_id=2, eos_token_id=3)),
    "distilbert": ("DistilBert", dict(dim=16, n_layers=3, n_heads=2, hidden_dim=32, max_position_embeddings=64)),
    "modernbert": (
        "ModernBert",
        SIZE | dict(pad_token_id=0, bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3, local_attention=8),
    ),
}
DECODERS = {
    "gpt2": ("GPT2", dict(n_embd=16, n_layer=3, n_head=2, n_positions=64, bos_token_id=1, eos_token_id=2)),
    "llama": ("Llama", SIZE | dict(bos_token_id=1, eos_token_id=2)),
}


def tiny(name, folder, seed=0):
    "A folder with a random language model of that architecture and a built-in tokenizer."
    title, options = (ENCODERS | DECODERS)[name]
    t = transformers.AutoTokenizer.from_pretrained(assets() / ("tiny-bert" if name in ENCODERS else "tiny-gpt"))
    if name == "roberta":
        t.pad_token = t.convert_ids_to_tokens(1)
    if name in DECODERS:
        t.pad_token = t.eos_token
    config = getattr(transformers, f"{title}Config")(vocab_size=len(t), **options)
    auto = transformers.AutoModelForMaskedLM if name in ENCODERS else transformers.AutoModelForCausalLM
    torch.manual_seed(seed)
    with quietly():
        auto.from_config(config).save_pretrained(Path(folder) / name)
    t.save_pretrained(Path(folder) / name)
    return Path(folder) / name


class Rows:
    "A batch by hand."

    def __init__(self, ids, mask, types=None, labels=None, supervised=None):
        self.ids = ids
        self.mask = mask
        self.types = types
        self.labels = labels
        self.supervised = supervised
        self.rows = list(range(len(ids)))


def test_every_head_on_every_architecture_saves_and_loads_unchanged():
    for arch in ENCODERS | DECODERS:
        with tempfile.TemporaryDirectory() as d, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path, ids_ = tiny(arch, d), torch.randint(5, 50, (2, 7))
            for head in ("classify", "multilabel", "regress", "span", "lm"):
                made = load_model(
                    path, head=head, labels=["x", "y", "z"] if head in ("classify", "multilabel") else None, seed=1
                )
                assert bool(made.new) == (head != "lm"), (arch, made.new)
                assert not made.network.training, (arch, made.new)
                assert not [n for n in made.new if ".layer" in n or "norm.weight" == n[-11:]], (arch, made.new)
                batch_ = Rows(ids_, torch.ones_like(ids_))
                same = load_model(made.save(Path(d) / head))
                assert same.kind == made.kind
                assert same.labels == made.labels
                one, two_ = made.forward(batch_), same.forward(batch_)
                for a, b in zip(*((one, two_) if head == "span" else ((one,), (two_,)))):
                    assert torch.equal(a, b), (arch, head)
                want = {
                    "classify": (2, 3),
                    "multilabel": (2, 3),
                    "regress": (2,),
                    "span": (2, 7),
                    "lm": (2, 7, len(made.tokenizer)),
                }[head]
                assert tuple((one[0] if head == "span" else one).shape) == want
                if head in ("classify", "multilabel", "regress"):
                    made.predict(["one film", "two very long films, and more", "three"])
                if head == "span":
                    assert made.predict([("where?", "In a café in Rome.")])[0] in "In a café in Rome."
            assert made.kind == ("mlm" if arch in ENCODERS else "lm")


def test_a_decoder_pools_the_last_real_token_for_any_padding_with_pad_equal_to_eos():
    for arch in DECODERS:
        with tempfile.TemporaryDirectory() as d:
            m_ = load_model(tiny(arch, d), head="classify", labels=["a", "b"])
            assert m_.tokenizer.pad_token == m_.tokenizer.eos_token
            texts_ = [[7, 8, 9, 2], [5, 6, 7, 8, 9, 10, 11]]  # the first ends in a real end token
            alone_ = torch.cat([m_.core(torch.tensor([t]), torch.ones(1, len(t)).long()) for t in texts_])
            right_, left_ = torch.full((2, 7), 2), torch.full((2, 7), 2)
            rmask, lmask = torch.zeros(2, 7).long(), torch.zeros(2, 7).long()
            for i, t in enumerate(texts_):
                right_[i, : len(t)], left_[i, 7 - len(t) :] = torch.tensor(t), torch.tensor(t)
                rmask[i, : len(t)] = 1
                lmask[i, 7 - len(t) :] = 1
            torch.testing.assert_close(m_.core(right_, rmask), alone_, rtol=1e-4, atol=1e-6)
            torch.testing.assert_close(m_.core(left_, lmask), alone_, rtol=1e-4, atol=1e-6)


def test_padding_changes_no_encoder_answer_on_either_side():
    for arch in ENCODERS:
        with tempfile.TemporaryDirectory() as d:
            m_ = load_model(tiny(arch, d), head="classify", labels=["a", "b"])
            short_, n = torch.tensor([[2, 7, 8, 9, 3]]), 5
            gap = torch.full((1, 3), m_.tokenizer.pad_token_id)
            alone_ = m_.core(short_, torch.ones(1, n).long())
            got = m_.core(torch.cat([short_, gap], 1), torch.tensor([[1] * n + [0] * 3]))
            torch.testing.assert_close(got, alone_, rtol=1e-4, atol=1e-6)


def test_freezing_and_rates_find_the_parts_of_every_architecture():
    for arch in ENCODERS | DECODERS:
        with tempfile.TemporaryDirectory() as d:
            m_ = load_model(tiny(arch, d), head="classify", labels=["a", "b"])
        found = set(parts(m_.network).values())
        assert {"embeddings", "layer 1", "layer 2", "layer 3", "head"} <= found, (arch, found)
        learns = lambda m_=m_: {
            part for (_, p_), part in zip(m_.network.named_parameters(), parts(m_.network).values()) if p_.requires_grad
        }
        assert learns() == found
        freeze(m_, "head")
        assert not {"embeddings", "layer 1", "layer 2", "layer 3"} & learns()
        assert "head" in learns()
        freeze(m_, "last-2")
        assert {"layer 2", "layer 3", "head"} <= learns()
        assert not {"embeddings", "layer 1"} & learns()
        for wrong in ("last-9", "last-0", "some"):
            with pytest.raises(CourseError, match="last-1"):
                freeze(m_, wrong)
        freeze(m_, "full")
        groups = layerwise_param_groups(m_, HyperParams(lr=1e-3, head_lr=10.0, layer_decay=0.5, weight_decay=0.1))
        assert sum(len(g["params"]) for g in groups) == len(list(m_.network.parameters()))
        scale = {id(p_): g["scale"] for g in groups for p_ in g["params"]}
        assert all((p_.ndim > 1) == (g["weight_decay"] == 0.1) for g in groups for p_ in g["params"])
        assert scale[id(m_.network.get_parameter(m_.new[-1]))] == 10.0
        assert scale[id(m_.network.get_input_embeddings().weight)] == 0.5**3
    with pytest.raises(CourseError, match="tied"):
        freeze(load_model("tiny-gpt", head="lm"), "head")


def test_a_hub_that_is_down_is_said_at_once_and_what_is_cached_still_loads(tmp_path):
    sha = "0123456789012345678901234567890123456789"
    home = tmp_path / "hub" / "models--someone--small"
    shutil.copytree(assets() / "tiny-bert", home / "snapshots" / sha)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(sha)
    code = """from ftcourse.models import load_model
for revision in (None, REVISION): print(load_model('someone/small', head='lm', revision=revision))
for name, revision in (('someone/nothing', None), ('someone/small', 'v9')):
    try: load_model(name, head='lm', revision=revision)
    except ValueError as e: print(e)""".replace("REVISION", repr(sha))
    env = os.environ | {
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(tmp_path),
        "HF_HUB_CACHE": str(tmp_path / "hub"),
    }
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=env)
    lines = out.stdout.splitlines()
    assert len(lines) == 4, out
    assert all(line.startswith("Model mlm") and "someone/small" in line for line in lines[:2]), out
    assert "cannot load 'someone/nothing'" in lines[2], out
    assert "http://127.0.0.1:9" in lines[2], out
    assert "at revision v9" in lines[3], out
    assert "Retry" not in out.stderr, out


def test_dropout_is_set_everywhere():
    with tempfile.TemporaryDirectory() as d:
        for arch in ENCODERS | DECODERS:
            m_ = load_model(tiny(arch, d), head="classify", labels=["a", "b"], dropout=0.25)
            assert {x_.p for x_ in m_.network.modules() if isinstance(x_, torch.nn.Dropout)} - {0.0} <= {0.25}, arch
