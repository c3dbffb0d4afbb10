"ONNX files of every kind of model, against the model; one of them in a process that has neither torch nor the course."

import json
import subprocess
import sys

import numpy as np
import pytest

from ftcourse import load_model
from ftcourse.core.errors import CourseError
from ftcourse.course.cli.main import main
from ftcourse.models.onnx import EXAMPLE, export_onnx, metadata, run_onnx

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

WORDS = "the soup was cold and a waiter forgot our drinks but we would never come back for cake".split()


def texts(n=12, seed=0, longest=60):
    "Texts of very different lengths, some of them special."
    rng = np.random.default_rng(seed)
    made = [" ".join(rng.choice(WORDS, rng.integers(1, longest))) for _ in range(n)]
    return [*made, "", "  [CLS] é ☃ [SEP] ", "word " * 300]


def trained(name, head, seed=1, task=None, **more):
    "A model whose new head was drawn, wide enough that its logits differ between texts."
    import torch

    if head in ("classify", "multilabel") and task is None:
        more.setdefault("labels", ["bad", "good", "so-so"])
    model = load_model(name, task, head=None if task is not None else head, **more)
    torch.manual_seed(seed)
    with torch.no_grad():
        for key, p in model.network.named_parameters():
            if key in model.new:
                p.normal_(std=0.3)
    return model


def apart(found, wanted):
    return max(np.abs(a - np.asarray(b)).max() for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    "name, head",
    [("tiny-bert", "multilabel"), ("tiny-bert", "regress"), ("mini-bert", "classify"), ("tiny-gpt", "classify")],
)
def test_logits_of_texts_are_the_models(tmp_path, name, head):
    model, rows = trained(name, head), texts()
    file = export_onnx(model, tmp_path / "m.onnx")
    wanted = [z.numpy() for z in model._outputs(rows)]
    assert np.std(wanted) > 0.01, "a head that says the same of all texts shows nothing"
    assert apart(run_onnx(file, rows, batch_size=5), wanted) < 1e-4
    assert apart(run_onnx(file, rows, batch_size=1), wanted) < 1e-4


@pytest.mark.parametrize("name", ["tiny-bert", "tiny-gpt"])
def test_pairs_are_cut_and_joined_as_the_model_does(tmp_path, name):
    model = trained(name, "classify")
    model.text = ("first", "second")
    first, second = texts(seed=1, longest=90), texts(seed=2, longest=90)
    pairs = [*zip(first, second), ("word " * 300, "soup"), ("soup", "word " * 300)]
    assert apart(run_onnx(export_onnx(model, tmp_path / "m.onnx"), pairs), model._outputs(pairs)) < 1e-4


def test_a_model_that_reads_its_two_texts_by_themselves(tmp_path):
    import torch

    from ftcourse.models.towers import has_towers

    rows = [{"a": "x", "b": "y", "label": i % 2} for i in range(20)]
    from ftcourse.data.load.load import load_task

    model = trained("mini-bert", "classify", task=load_task(rows, text=("a", "b")), towers=True)
    assert has_towers(model.network)
    with torch.no_grad():
        model.network.classifier.weight *= 5
    pairs = list(zip(texts(seed=1), texts(seed=2)))
    wanted = [z.numpy() for z in model._outputs(pairs)]
    assert apart(run_onnx(export_onnx(model, tmp_path / "m.onnx"), pairs), wanted) < 1e-4


def test_spans_language_models_and_masked_words(tmp_path):
    question = [("Who forgot?", t.strip()) for t in texts(longest=40) if t.strip() and len(t) < 500]
    model = trained("tiny-bert", "span")
    found = run_onnx(file := export_onnx(model, tmp_path / "span.onnx"), question)
    from ftcourse.data.batches import Batches
    from ftcourse.data.encode.texts import encode_texts

    asked, read = zip(*question)
    examples = encode_texts(list(asked), model.tokenizer, model.max_length, pairs=list(read), kind="span")
    import torch

    with torch.no_grad():
        for batch in Batches(examples, 4, shuffle=False):
            for j, (i, row) in enumerate(zip(batch.index, batch.mask)):
                wanted = torch.stack(model.forward(batch), 1)[j][:, row].numpy()
                assert np.abs(found[i] - wanted).max() < 1e-4
    with pytest.raises(CourseError, match="cut its context into windows"):
        run_onnx(file, [("Who?", "word " * 300)])

    gpt = load_model("tiny-gpt", head="lm")
    found = run_onnx(export_onnx(gpt, tmp_path / "lm.onnx"), ["The hotel was", "My friend and I"])
    for text, z in zip(["The hotel was", "My friend and I"], found):
        ids = torch.tensor([gpt.tokenizer(text)["input_ids"]])
        with torch.no_grad():
            wanted = gpt.network(input_ids=ids).logits[0].numpy()
        assert np.abs(z - wanted).max() < 1e-4
        assert z.argmax(-1).tolist() == wanted.argmax(-1).tolist()

    mlm = load_model("tiny-bert", head="lm")
    masked = ["The soup was [MASK] .", "[MASK] waiter"]
    found = run_onnx(export_onnx(mlm, tmp_path / "mlm.onnx"), masked)
    assert apart(found, [z[: len(f)] for z, f in zip(mlm._outputs(masked), found)]) < 1e-4


def random_model(family, head="classify"):
    "A network of transformers' own with random weights, and tiny-bert's tokenizer."
    import torch
    import transformers

    from ftcourse.models.model import Model

    tokenizer = load_model("tiny-bert", head="classify", labels=["a", "b"]).tokenizer
    torch.manual_seed(0)
    sizes = dict(vocab_size=len(tokenizer), max_position_embeddings=140, pad_token_id=tokenizer.pad_token_id)
    if family == "DistilBert":
        sizes |= dict(dim=32, n_layers=2, n_heads=2, hidden_dim=64)
    else:
        sizes |= dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    config = getattr(transformers, f"{family}Config")(**sizes, num_labels=3, initializer_range=0.2)
    network = getattr(transformers, f"{family}ForSequenceClassification")(config).eval()
    return Model(network, tokenizer, "classify", labels=["a", "b", "c"], info=dict(max_length=128, positions=128))


@pytest.mark.parametrize("family", ["Roberta", "DistilBert", "Llama"])
def test_other_architectures_with_random_weights(tmp_path, family):
    model, rows = random_model(family), texts()
    file = export_onnx(model, tmp_path / "m.onnx")
    assert apart(run_onnx(file, rows), [z.numpy() for z in model._outputs(rows)]) < 1e-4


def test_a_merged_adapter_and_a_quantised_model_compute_the_same_in_their_file(tmp_path):
    import torch

    from ftcourse.models.adapters.lora import add_lora, low_rank_layers
    from ftcourse.models.adapters.quantised import quantise

    model, rows = add_lora(trained("tiny-bert", "classify"), 2), texts()
    with torch.no_grad():
        for layer in low_rank_layers(model).values():
            layer.updates[layer.active].lora_B.normal_(std=0.1)
    file = export_onnx(model.merged(), tmp_path / "m.onnx")
    assert apart(run_onnx(file, rows), [z.numpy() for z in model._outputs(rows)]) < 1e-4
    packed = quantise(trained("tiny-bert", "classify"))
    file = export_onnx(packed, tmp_path / "q.onnx")
    assert apart(run_onnx(file, rows), [z.numpy() for z in packed._outputs(rows)]) < 1e-4


def test_a_model_that_differs_from_its_file_is_not_written(tmp_path, monkeypatch):
    from ftcourse.models import onnx as module

    monkeypatch.setattr(module, "TOLERANCE", -1.0)
    with pytest.raises(CourseError, match="nothing was written, for its logits differ by"):
        export_onnx(trained("tiny-bert", "classify"), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_the_file_says_what_a_program_needs(tmp_path):
    model = trained("tiny-bert", "classify", labels=["no", "yes"])
    model.thresholds = [0.25]
    file = export_onnx(model, tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["ftcourse"])
    assert about == json.loads(metadata(model)["ftcourse"])
    assert (about["labels"], about["thresholds"], about["kind"]) == (["no", "yes"], [0.25], "classify")
    assert [x.shape for x in session.get_inputs()][0][:2] != [1, 1], "batch and length are free"
    import onnx

    written = onnx.load(str(file))
    onnx.checker.check_model(written)
    assert [(x.domain, x.version) for x in written.opset_import if not x.domain] == [("", 20)]
    assert written.producer_name == "pytorch"


BLOCKED = """import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "ftcourse"):
            raise ImportError(f"{name} is blocked here")
sys.meta_path.insert(0, Blocked())
"""


def test_onnxruntime_and_tokenizers_alone_give_the_models_answers(tmp_path):
    model = trained("tiny-bert", "classify")
    rows = [t for t in texts(8) if t.strip()]
    file = export_onnx(model, tmp_path / "m.onnx")
    run = subprocess.run(
        [sys.executable, "-c", BLOCKED + EXAMPLE, str(file), *rows], capture_output=True, text=True, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert said == model.predict(rows)
    assert len(set(said)) > 1
    blocked = BLOCKED.replace(', "ftcourse"', "")
    code = f"{blocked}from ftcourse.models.onnx import run_onnx; print(run_onnx({str(file)!r}, ['a']).shape)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "(1, 3)", run.stderr


def test_without_the_packages_the_message_names_the_command(tmp_path, monkeypatch):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        with monkeypatch.context() as m:
            m.setitem(sys.modules, name, None)
            with pytest.raises(CourseError, match=f"takes the package {name}.*pip install onnx onnxruntime onnxscript"):
                export_onnx(trained("tiny-bert", "classify"), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_the_command_exports_and_refuses(tmp_path, capsys):
    folder = trained("tiny-bert", "classify").save(tmp_path / "model")
    file = tmp_path / "m.onnx"
    assert main(["export", str(folder), "--onnx", str(file), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["file"] == str(file)
    assert said["bytes"] == file.stat().st_size
    assert main(["export", str(folder), "--onnx", str(file)]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main(["export", str(folder), "--onnx", str(tmp_path / "m.bin")]) == 1
    assert "ends in .onnx" in capsys.readouterr().err
    assert main(["export", str(folder)]) == 1
    assert "--gguf FILE.gguf or --onnx FILE.onnx" in capsys.readouterr().err
