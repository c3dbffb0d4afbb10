"""What a drawing says is what its lesson prints: names, ids, counts and scores that a new run could change."""

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

from ftcourse.course.drawings import drawing

ROOT = Path(__file__).resolve().parent.parent
# name -> what a lesson prints, and the words of the drawing that come from it
PRINTED = {
    "03.merges": [("f ol lo wed   the   b old est   stor y", "3 tokens"), ("the   b oldest   story", "2 tokens")],
    "04.rectangle": [("all in one batch: 40.0%", "one batch: 40%"), ("long one alone: 8.7%", "two batches: 8.7%")],
    "06.logits": [("[0.8438, 0.1142, 0.0420]", f"−log {p} =") for p in ("0.8438", "0.1142", "0.0420")],
    "06.sum-count": [("batches' means 2.0", "2.0"), ("over all targets 1.04", "1.04")],
    "07.warmup": [("12% of what was asked for", "stops at 12%")],
    "09.what-learns": [
        ("610,818 of 610,818 parameters learn", "610,818 numbers learn"),
        ("215,042 of", "215,042 numbers learn"),
        ("16,770 of", "16,770 numbers learn"),
    ],
    "09.rates": [("lr 5.0e-03", "5e-3"), ("lr 5.0e-04", "5e-4"), ("lr 2.5e-04", "2.5e-4"), ("lr 1.3e-04", "1.3e-4")],
    "10.confusion": [("[ 8,  2]", "8 / (8 + 2) = 0.80"), ("[12, 78]", "(8 + 78) / 100 = 0.86")],
    "12.softmax-sigmoid": [("0.333 0.333 0.333", "0.33"), ("0.047 0.047 0.047", "0.05")],
    "12.averages": [
        ("museum        6 rows   F1 0.27", "0.27"),
        ("hotel       125 rows   F1 0.84", "0.84"),
        ("'macro F1': 0.83", "macro F1 = 0.83"),
        ("'micro F1': 0.921", "micro F1 = 0.92"),
    ],
    "13.span": [("[ 5., 11.,  6.,  9.]", "11")],
    "13.windows": [("[(0, 4), (2, 6), (4, 8), (6, 10)]", "windows(10, room=4, overlap=2)")],
    "13.silence": [("'Ada'  (null 3.00, gap -2.00, threshold 0.0)", "gap = −2")],
    "14.label-order": [("label_order: [1, 2, 0]", "label_order gives [1, 2, 0]")],
    "18.hide": [("fall from 4.70 to 0.26", "4.70")],
}


@cache
def lessons():
    "All that the lessons have printed."
    said = []
    for path in sorted((ROOT / "nbs" / "lessons").glob("[0-9]*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", ()):
                said.append("".join(output.get("text") or output.get("data", {}).get("text/plain", "")))
    return "\n".join(said)


def words(name):
    "The texts of a drawing."
    found = re.findall(r"<text [^>]*>(.*?)</text>", drawing(name).svg(), re.S)
    return [re.sub(r"<[^>]+>", "", text) for text in found]


@pytest.mark.parametrize("name", PRINTED)
def test_a_drawing_says_what_its_lesson_prints(name):
    for printed, said in PRINTED[name]:
        assert printed in lessons(), "the lesson prints something else now: change the drawing too"
        assert any(said in text for text in words(name)), said


def test_the_tokens_drawn_are_those_of_the_built_in_tokenizer():
    from ftcourse import load_model

    tokenizer = load_model("tiny-bert").tokenizer
    said = tokenizer("The soup was cold.", return_offsets_mapping=True)
    assert drawing("03.tokens").boxes[0][1] == "The soup was cold."
    row = words("03.tokens")
    start = row.index("[CLS]")
    assert row[start : start + 10] == tokenizer.convert_ids_to_tokens(said["input_ids"])
    ids = row.index("ids")
    assert row[ids + 1 : ids + 11] == [str(i) for i in said["input_ids"]]
    offsets = row.index("offsets")
    assert row[offsets + 1 : offsets + 11] == [f"{a}–{b}" if b else "–" for a, b in said["offset_mapping"]]


def test_the_parameters_drawn_are_those_of_the_built_in_encoder():
    from ftcourse import load_model, load_task

    model = load_model("tiny-bert", task=load_task("reviews"))
    sizes = {name: p.numel() for name, p in model.network.named_parameters()}
    new = sum(n for name, n in sizes.items() if name in model.new)
    said = words("05.head")
    assert f"{new} new numbers" in said
    assert f"{sum(sizes.values()) - new:,} numbers" in said
    assert f"(batch, length, {model.network.config.hidden_size})" in said


def test_lesson_01_draws_what_was_measured_on_real_text():
    nb = json.loads((ROOT / "nbs" / "lessons" / "01_fine_tuning.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(c["source"]) for c in nb["cells"] if c["cell_type"] == "code"]
    (cell,) = [s for s in cells if "measure/real_budgets.json, glue:sst2" in s]
    drawn = next(n.value for n in ast.parse(cell).body if isinstance(n, ast.Assign) and n.targets[0].id == "sst2")
    record = json.loads((ROOT / "measure" / "real_budgets.json").read_text(encoding="utf-8"))
    assert record["rows"]["glue:sst2"] == 872
    called = {
        "MiniLM": "MiniLM, fine-tuned",
        "mini-bert": "mini-bert, fine-tuned",
        "mini-bert, random weights": "mini-bert, random weights",
    }
    assert ast.literal_eval(drawn) == {
        name: {
            int(n): [round(x, 3) for x in scores]
            for n, scores in record["arms"][arm]["glue:sst2"].items()
            if n in ("8", "32", "128", "512")
        }
        for name, arm in called.items()
    }


def test_lesson_16_draws_what_was_measured_on_real_text():
    from ftcourse.metrics.intervals import mean_interval

    nb = json.loads((ROOT / "nbs" / "lessons" / "16_how_much_data.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(c["source"]) for c in nb["cells"] if c["cell_type"] == "code"]
    (cell,) = [s for s in cells if "measure/real_budgets.json, glue:sst2 and trec" in s]
    bound = [n for n in ast.parse(cell).body if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)]
    drawn = {n.targets[0].id: n.value for n in bound}
    labels, real = (ast.literal_eval(drawn[name]) for name in ("real_labels", "real"))
    arms = json.loads((ROOT / "measure" / "real_budgets.json").read_text(encoding="utf-8"))["arms"]
    called = {  # in the lesson -> in the record
        "MiniLM, fine-tuned": "MiniLM, fine-tuned",
        "MiniLM, frozen": "MiniLM, frozen",
        "mini-bert, fine-tuned": "mini-bert, fine-tuned",
        "random weights": "mini-bert, random weights",
        "bag of words": "bag of words",
    }

    def points(scores):
        "(mean, half of the interval), of each number of labels that was measured."
        found = [mean_interval(scores[str(n)]) for n in labels if str(n) in scores]
        return [(round(mean, 3), round(high - mean, 3)) for mean, _, high in found]

    assert real == {
        name: {arm: points(arms[record][task]) for arm, record in called.items()}
        for name, task in (("SST-2", "glue:sst2"), ("TREC", "trec"))
    }
    # a line ends at the most labels, wherever it begins
    scores = [arms[record][task] for record in called.values() for task in ("glue:sst2", "trec")]
    assert all([str(n) in s for n in labels] == sorted(str(n) in s for n in labels) for s in scores)
