"""Every explorer follows the hand: each input is moved, and the redraw is done within 100 ms.

What is bounded is CPU time of this process: on a machine that other work shares, the clock on the wall measures the
others. Both are printed: `pytest tests/test_explorers.py -s`.
"""

import importlib
import json
import time
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ftcourse import evaluate_model, load_model
from ftcourse.core.settings import assets
from ftcourse.course import explorers
from ftcourse.course.widgets.base import Shown

ROOT = Path(__file__).resolve().parent.parent
MOVES, LIMIT = 40, 0.100  # redraws an input; seconds of CPU time that 95 of 100 may take
TEXT = (
    "The mill was founded by Clara Novak. It stands in Bergen, and nobody works there on Monday. The walls are made "
    "of old brick, and a visit costs ten euros. It opened in 1901."
)


@cache
def report():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return evaluate_model(load_model("tiny-bert", "reviews"), "reviews", split="validation")


@cache
def reader():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = load_model("tiny-bert", head="span", seed=1)
    model.info["null_threshold"] = 0.0
    return model


@cache
def sure():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_model("tiny-bert", head="classify", labels=["negative", "positive"], seed=1)


MADE = {
    "explore_softmax": lambda: explorers.explore_softmax((2.0, 0.0, -1.0, 1.0, 0.5)),
    "explore_schedule": lambda: explorers.explore_schedule(),
    "explore_threshold": lambda: explorers.explore_threshold(report()),
    "explore_sampling": lambda: explorers.explore_sampling(),
    "explore_tokens": lambda: explorers.explore_tokens(),
    "explore_padding": lambda: explorers.explore_padding("reviews"),
    "explore_calibration": lambda: explorers.explore_calibration(report().probs, report().true),
    "explore_span": lambda: explorers.explore_span(reader(), "who founded the mill?", TEXT),
    "explore_budget": lambda: explorers.explore_budget(),
    "explore_cures": lambda: explorers.explore_cures(),
    "explore_preference": lambda: explorers.explore_preference(),
    "explore_memory": lambda: explorers.explore_memory(),
    "explore_cost": lambda: explorers.explore_cost(report().true == 1, report().probs[:, 1]),
    "explore_plan": lambda: explorers.explore_plan(),
    "explore_attribution": lambda: explorers.explore_attribution(sure()),
}


def values_of(widget):
    "Some forty values through which a hand moves an input, each unlike the one before."
    if hasattr(widget, "options"):
        values = [o[1] if isinstance(o, tuple) else o for o in widget.options]  # (text, value), or a value
        return [values[i % len(values)] for i in range(1, MOVES + 1)]
    if isinstance(widget.value, bool):
        return [(not widget.value) ^ bool(i % 2) for i in range(MOVES)]
    if isinstance(widget.value, str):
        return [" ".join((TEXT * 3).split()[:n]) for n in range(3, MOVES + 3)]
    spread = np.linspace(widget.min, widget.max, MOVES)
    whole = isinstance(widget.value, int)
    found = [int(round(x)) if whole else float(x) for x in spread]
    if len(set(found)) < MOVES:
        found = [(found[0], found[-1])[i % 2] for i in range(MOVES)]  # few steps: to and fro
    return found if found[0] != widget.value else found[1:] + found[:1]


def inputs_of(explorer):
    "{name: widget} of all that a hand can move."
    found = {"text": explorer.text} if hasattr(explorer, "text") else dict(explorer.inputs)
    if knobs := getattr(explorer, "knobs", None):
        found |= {f"slider of {name}": s for name, s in knobs.sliders.items() if s is not None}
        found |= {name: box for name, box in knobs.inputs.items() if hasattr(box, "options")}
    return found


def test_none_is_forgotten():
    folder = ROOT / "ftcourse" / "course" / "explorers"
    modules = [importlib.import_module(f"ftcourse.course.explorers.{p.stem}") for p in folder.glob("[a-z]*.py")]
    there = {name for module in modules for name in module.__all__ if name.startswith("explore_")}
    assert there == set(MADE), "an explorer without its line in MADE is not measured"


def moved(explorer, which, widget):
    "Move one input through its values: seconds of CPU time and by the clock of each redraw."
    cpu, wall, shown = [], [], set()
    for value in values_of(widget):
        drawn, was, c, w = len(explorer.seconds), widget.value, time.process_time(), time.perf_counter()
        widget.value = value
        cpu.append(time.process_time() - c)
        wall.append(time.perf_counter() - w)
        shown.add(bytes(explorer.image.value) if hasattr(explorer, "image") else explorer.view.value)
        assert len(explorer.seconds) > drawn or value == was or which.startswith("slider"), (
            f"{which} = {value} redrew nothing"
        )
    assert len(shown) > 1, f"{which} changes nothing that is seen"
    return np.array(cpu), np.array(wall)


@pytest.mark.parametrize("name", MADE)
def test_an_explorer_redraws_within_100_ms(name):
    "Where a core is shared, CPU time swells too: the calmest of three rounds counts."
    explorer = MADE[name]()
    for which, widget in inputs_of(explorer).items():
        for _ in range(3):
            cpu, wall = moved(explorer, which, widget)
            p95 = float(np.quantile(cpu, 0.95))
            print(
                f"{name}, {which}: {len(cpu)} moves, p95 {1000 * p95:.0f} ms of CPU time, "
                f"{1000 * float(np.quantile(wall, 0.95)):.0f} ms by the clock"
            )
            if p95 < LIMIT:
                break
        assert not getattr(getattr(explorer, "complaint", None), "value", "")
        assert p95 < LIMIT, f"{name}, {which}: 95 of 100 redraws take up to {1000 * p95:.0f} ms of CPU time"


@pytest.mark.parametrize("name", MADE)
def test_an_explorer_without_a_front_end_is_a_picture_and_names_the_plain_call(name):
    explorer = MADE[name]()
    assert isinstance(explorer, Shown)
    bundle = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" not in bundle
    assert "<img" in bundle["text/html"] or "<span" in bundle["text/html"]
    assert "no notebook here that shows widgets" in bundle["text/plain"], "it does not say that there is no widget here"
    shown_otherwise = {
        "explore_tokens": explorers.show_pieces,
        "explore_span": explorers.show_span,
        "explore_attribution": explorers.show_attribution,
    }
    assert callable(getattr(explorers, name.replace("explore_", "plot_"), None) or shown_otherwise[name])


def test_only_parts_of_ipywidgets_7_are_used():
    "7.7.1 is the version on Colab; these came later."
    later = "Stack TagsInput ColorsInput FloatsInput IntsInput TimePicker NaiveDatetimePicker DatetimePicker".split()
    for file in (ROOT / "ftcourse" / "course").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert not [name for name in later if f"w.{name}(" in text or f"import {name}" in text]


def test_every_measured_task_has_its_curves():
    made = explorers.explore_budget()
    record = json.loads((assets() / "budgets.json").read_text(encoding="utf-8"))
    assert list(made.inputs["task"].options) == list(record["tasks"])
    some = next(iter(record["tasks"].values()))
    assert set(made.inputs["arm"].options) == {"all", *some["arms"]}
