"""Lesson 05 holds for other architectures than the two built-in ones: six families in miniature, with random weights.

By hand.
"""

import os
import shutil
import subprocess
import sys
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


def test_every_head_on_every_architecture_saves_and_loads_unchanged(tmp_path):
    shapes = {"classify": (2, 3), "multilabel": (2, 3), "regress": (2,), "span": (2, 7)}
    ids = torch.randint(5, 50, (2, 7))
    batch = Rows(ids, torch.ones_like(ids))
    for arch in ENCODERS | DECODERS:
        path = tiny(arch, tmp_path)
        for head in (*shapes, "lm"):
            labels = ["x", "y", "z"] if head in ("classify", "multilabel") else None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = load_model(path, head=head, labels=labels, seed=1)
            assert bool(made.new) == (head != "lm"), (arch, made.new)
            assert not made.network.training, arch
            assert not [n for n in made.new if ".layer" in n or n.endswith("norm.weight")], (arch, made.new)
            same = load_model(made.save(tmp_path / arch / head))
            assert same.kind == made.kind
            assert same.labels == made.labels
            first, second = made.forward(batch), same.forward(batch)
            if head != "span":  # which has two outputs, for start and end
                first, second = (first,), (second,)
            for one, two in zip(first, second, strict=True):
                assert torch.equal(one, two), (arch, head)
                assert one.shape == shapes.get(head, (2, 7, len(made.tokenizer))), (arch, head)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if head in ("classify", "multilabel", "regress"):
                    assert len(made.predict(["one film", "two very long films, and more", "three"])) == 3
                if head == "span":
                    assert made.predict([("where?", "In a café in Rome.")])[0] in "In a café in Rome."
        assert made.kind == ("mlm" if arch in ENCODERS else "lm")


def test_a_decoder_pools_the_last_real_token_for_any_padding_with_pad_equal_to_eos(tmp_path):
    for arch in DECODERS:
        model = load_model(tiny(arch, tmp_path), head="classify", labels=["a", "b"])
        assert model.tokenizer.pad_token == model.tokenizer.eos_token
        texts = [[7, 8, 9, 2], [5, 6, 7, 8, 9, 10, 11]]  # the first ends in a real end token
        alone = torch.cat([model.core(torch.tensor([t]), torch.ones(1, len(t)).long()) for t in texts])
        for side in ("right", "left"):
            ids = torch.full((2, 7), 2)
            mask = torch.zeros(2, 7).long()
            for i, t in enumerate(texts):
                at = slice(0, len(t)) if side == "right" else slice(7 - len(t), 7)
                ids[i, at] = torch.tensor(t)
                mask[i, at] = 1
            torch.testing.assert_close(model.core(ids, mask), alone, rtol=1e-4, atol=1e-6)


def test_padding_changes_no_encoder_answer_on_either_side(tmp_path):
    for arch in ENCODERS:
        model = load_model(tiny(arch, tmp_path), head="classify", labels=["a", "b"])
        short = torch.tensor([[2, 7, 8, 9, 3]])
        gap = torch.full((1, 3), model.tokenizer.pad_token_id)
        alone = model.core(short, torch.ones(1, 5).long())
        padded = model.core(torch.cat([short, gap], 1), torch.tensor([[1] * 5 + [0] * 3]))
        torch.testing.assert_close(padded, alone, rtol=1e-4, atol=1e-6)


def learning(model):
    "The parts of a model that have a parameter which learns."
    of = parts(model.network)
    return {of[name] for name, p in model.network.named_parameters() if p.requires_grad}


def test_freezing_and_rates_find_the_parts_of_every_architecture(tmp_path):
    for arch in ENCODERS | DECODERS:
        model = load_model(tiny(arch, tmp_path), head="classify", labels=["a", "b"])
        found = set(parts(model.network).values())
        assert {"embeddings", "layer 1", "layer 2", "layer 3", "head"} <= found, (arch, found)
        assert learning(model) == found
        freeze(model, "head")
        assert not {"embeddings", "layer 1", "layer 2", "layer 3"} & learning(model)
        assert "head" in learning(model)
        freeze(model, "last-2")
        assert {"layer 2", "layer 3", "head"} <= learning(model)
        assert not {"embeddings", "layer 1"} & learning(model)
        for wrong in ("last-9", "last-0", "some"):
            with pytest.raises(CourseError, match="last-1"):
                freeze(model, wrong)
        freeze(model, "full")
        groups = layerwise_param_groups(model, HyperParams(lr=1e-3, head_lr=10.0, layer_decay=0.5, weight_decay=0.1))
        grouped = [(p, g) for g in groups for p in g["params"]]
        assert len(grouped) == len(list(model.network.parameters()))
        for p, g in grouped:
            assert (g["weight_decay"] == 0.1) == (p.ndim > 1)
        scale = {id(p): g["scale"] for p, g in grouped}
        assert scale[id(model.network.get_parameter(model.new[-1]))] == 10.0
        assert scale[id(model.network.get_input_embeddings().weight)] == 0.5**3
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
    for line in lines[:2]:
        assert line.startswith("Model mlm"), out
        assert "someone/small" in line, out
    assert "cannot load 'someone/nothing'" in lines[2], out
    assert "http://127.0.0.1:9" in lines[2], out
    assert "at revision v9" in lines[3], out
    assert "Retry" not in out.stderr, out


def test_dropout_is_set_everywhere(tmp_path):
    for arch in ENCODERS | DECODERS:
        model = load_model(tiny(arch, tmp_path), head="classify", labels=["a", "b"], dropout=0.25)
        rates = {m.p for m in model.network.modules() if isinstance(m, torch.nn.Dropout)}
        assert rates - {0.0} <= {0.25}, arch
