"""Text of data sets never becomes markup: a script and an image with a handler go through every view.

Every function of the package that writes HTML is found by reading the source. It has to stand in VIEWS, with a call
that shows hostile text through it, or in NO_DATA, with the reason why no text of a data set can reach it.
"""

import ast
import json
import re
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ftcourse import HyperParams, fine_tune_model, load_model, load_task
from ftcourse.core.errors import CourseError

PACKAGE = Path(__file__).resolve().parent.parent / "ftcourse"
SCRIPT, IMAGE = "<script>alert(1)</script>", "<img src=x onerror=alert(1)>"
NASTY = f'{SCRIPT} {IMAGE} " onmouseover="alert(1)'
RAW = re.compile(r"<script|<img src=x|<img onerror|(?<!&quot;)\" onmouseover=", re.I)
TAG = re.compile(
    r"</?(?:p|b|i|a|div|span|t[dhr]|table|pre|img|mark|details|summary|br|small|ol|ul|li|svg|style|em|code|h\d|button)\b[^|]",
    re.I,
)

RICH = ("HTML", "display_html", "Markdown", "SVG", "HTMLMath", "html_table")


# ------------------------------------------------------------------ what there is to show
@cache
def task():
    rows = [
        {"text": f"{NASTY} the food was {word}, visit {i}", "label": (SCRIPT, IMAGE)[i % 2]}
        for i, word in enumerate(["good", "bad"] * 30)
    ]
    return replace(load_task(rows), name=NASTY, source=NASTY, notes=[NASTY])


@cache
def tuned():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fine_tune_model("tiny-bert", task(), max_steps=2, batch_size=4)


@cache
def report():
    from ftcourse import evaluate_model

    return replace(evaluate_model(tuned(), task()), name=NASTY, source=NASTY, notes=[NASTY])


@cache
def reader():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_model("tiny-bert", head="span", seed=1)


@cache
def panel():
    from ftcourse.course.widgets.panel import TrainingPanel

    made = TrainingPanel(task(), "tiny-bert", hp=HyperParams(max_steps=2, batch_size=4))
    made.run(wait=True)
    made.say(NASTY)
    return made


def typed():
    from ftcourse.course.widgets.controls import controls

    made = controls(names=["lr", "train"])
    made.inputs["lr"].value = NASTY
    return made


def prompted():
    "An explorer whose input and whose complaint hold the text."
    from ftcourse.course.explorers.sampling import explore_sampling

    made = explore_sampling()
    made.inputs["prompt"].value = NASTY
    kept = made.update

    def refuse(**values):
        raise CourseError(NASTY)

    made.update = refuse
    made.redraw()
    made.update = kept
    return made


class OneToken:
    "A tokenizer for which the whole text is one piece."

    all_special_ids, unk_token_id, eos_token_id, pad_token_id = [], 0, 2, 3

    def __call__(self, text, **_):
        return {"input_ids": [0], "offset_mapping": [(0, len(text))]}

    def convert_ids_to_tokens(self, ids):
        return [NASTY] * len(ids)


def tokens():
    from ftcourse.data.encode.examples import Example
    from ftcourse.data.encode.show import show_tokens

    return show_tokens(Example([1, 0], 0), OneToken())


def shown():
    from ftcourse.course.widgets.base import Shown

    return type("Said", (Shown,), {"__str__": lambda self: NASTY})()


def scoreboard():
    from ftcourse.experiments.glue import Scoreboard

    return Scoreboard(NASTY, NASTY, [0], {"rte": {"accuracy": [0.5]}}, {"rte": 9}, {"rte": 1.0}, {}, [NASTY])


def sweep():
    from ftcourse.experiments.grid import Sweep

    return Sweep(NASTY, NASTY, [{"lr": 1e-3, "score": 0.5, "seconds": 1.0}])


def highlight():
    from ftcourse.data.encode.spans import Answer, Span
    from ftcourse.tasks.qa import Highlight

    text = f"{NASTY} by Clara"
    return Highlight(NASTY, text, Answer(IMAGE, (Span(text[26 : 26 + len(IMAGE)], 26, 26 + len(IMAGE), 1.0),), 0.0))


def picked():
    from ftcourse.course.explorers.spans import show_span

    return show_span(reader(), NASTY, f"{SCRIPT} was founded by {IMAGE}.", 2, 5)


def progress():
    from ftcourse.course.practice.progress import Progress

    return Progress({"01.1": {"name": NASTY, "on": NASTY}}, {"01.1": NASTY, f"02{NASTY}": NASTY})


def classes():
    from ftcourse.course.practice.progress import ClassProgress

    return ClassProgress({NASTY: {"01": 1}}, {"01": 2}, [NASTY])


def pieces():
    from ftcourse.course.explorers.tokens import show_pieces

    return show_pieces(NASTY, OneToken())


def tables():
    from ftcourse.core.tables import html_table

    return html_table([[NASTY, "b"], ["c", NASTY]])


def claimed():
    ledger = pytest.importorskip("ftcourse.course.ledger")
    return ledger, ledger.claim("99.nasty", NASTY, True, 0.5, None, 3, 1.0)


def cures():
    from ftcourse.experiments.cures import Cures
    from ftcourse.experiments.seeds import Seeds

    scores = {"accuracy": [0.5, 0.6], "loss": [1.0, 1.0], "ece": [0.1, 0.2], "seconds": [1.0, 1.0]}
    return Cures(NASTY, {name: Seeds([0, 1], dict(scores)) for name in ("nothing", NASTY)})


def gaps():
    from ftcourse.experiments.overfitting import Gap

    return Gap(NASTY, *({"accuracy": 1.0, "loss": 0.0, "ece": 0.0} for _ in range(2)))


def attributed():
    from ftcourse.course.explorers.attribution import explore_attribution

    made = explore_attribution(tuned(), NASTY, "occlusion")
    kept, made.now = made.now, lambda: (_ for _ in ()).throw(CourseError(NASTY))
    made.redraw()
    made.now = kept
    return made


def drawn():
    from ftcourse.course.drawings import Drawing

    d = Drawing("nasty", SCRIPT, NASTY)
    boxes = d.box(20, 50, 300, 40, SCRIPT, f"`{SCRIPT}`"), d.box(20, 140, 320, 40, IMAGE)
    d.arrow(*boxes, IMAGE)
    d.cells(20, 220, [SCRIPT, IMAGE])
    return d


VIEWS = {
    "course.ledger.Claim._repr_html_": lambda: claimed()[1]._repr_html_(),
    "course.ledger.Ledger._repr_html_": lambda: claimed()[0].Ledger([claimed()[1]])._repr_html_(),
    "metrics.report.as_html": lambda: report()._repr_html_(),
    "metrics.report.Hardest._repr_html_": lambda: report().hardest(3)._repr_html_(),
    "data.encode.show.Tokens._repr_html_": lambda: tokens()._repr_html_(),
    "core.tables.html_table": tables,
    "experiments.glue.Scoreboard._repr_html_": lambda: scoreboard()._repr_html_(),
    "experiments.grid.Sweep._repr_html_": lambda: sweep()._repr_html_(),
    "course.drawings.canvas.Drawing.svg": lambda: drawn().svg(),
    "course.explorers.tokens.Pieces.static": lambda: pieces().static(),
    "course.widgets.base.Shown.static": lambda: shown().static(),
    "course.widgets.controls.Controls.look": lambda: typed().complaint.value,
    "course.widgets.controls.Controls.static": lambda: typed().static(),
    "course.widgets.base.Explorer.redraw": lambda: prompted().complaint.value,
    "course.widgets.base.Explorer.static": lambda: prompted().static(),
    "course.explorers.spans.PickedSpan.static": lambda: picked().static(),
    "tasks.qa.Highlight._repr_html_": lambda: highlight()._repr_html_(),
    "course.widgets.panel.TrainingPanel.say": lambda: panel().status.value,
    "course.widgets.panel.TrainingPanel.table_html": lambda: table_of_panel(),
    "experiments.cures.Cures._repr_html_": lambda: cures()._repr_html_(),
    "experiments.overfitting.Gap._repr_html_": lambda: gaps()._repr_html_(),
    "course.explorers.attribution.AttributionView.static": lambda: attributed().static(),
    "course.explorers.attribution.AttributionExplorer.redraw": lambda: attributed().complaint.value,
    "course.widgets.panel.TrainingPanel.static": lambda: panel().static(),
    "course.practice.progress.Progress._repr_html_": lambda: progress()._repr_html_(),
    "course.practice.progress.ClassProgress._repr_html_": lambda: classes()._repr_html_(),
}
NO_DATA = {
    "models.adapters.quantised.WeightBytes._repr_html_": "counts, through html_table, which escapes every cell",
    "tasks.preferences.PreferenceReport._repr_html_": "html_table escapes every cell, and notes are escaped one by one",
    "tasks.rewards.RewardReport._repr_html_": "html_table escapes every cell, and notes are escaped one by one",
    "course.serving.page": "no text of data: its script puts answers in as text; test_server.py tries it",
    "course.study_page": "test_studies.py writes a report of hostile texts and labels",
    "experiments.audit.Audit._repr_html_": "html_table escapes every cell",
    "experiments.plan.Plan._repr_html_": "html_table escapes every cell, and title and assumptions are escaped",
    "experiments.studies.Forecast._repr_html_": "html_table escapes every cell",
    "experiments.studies.Study._repr_html_": "html_table escapes every cell, and titles and sentences are escaped",
    "metrics.drift.Drift._repr_html_": "html_table escapes every cell, and the sentences are escaped",
    "models.parts.ParameterTable._repr_html_": "counts, and names of a network's parts",
    "course.widgets.controls.Controls.__init__": "help texts of the fields of HyperParams, escaped",
    "course.story": "cells of the course's own lessons, and how long they are",
    "course.practice.quizzes": "questions of the course, escaped before they are marked up: test_quizzes.py shows it",
}


def table_of_panel():
    "The panel's table, with text where a run's score has its name."
    trial = panel().trial(1)
    before = dict(trial.score)
    trial.score["name"] = NASTY
    try:
        return panel().table_html()
    finally:
        trial.score.update(before)


# ------------------------------------------------------------------ what writes HTML
def owner(node):
    "The class that `patch` makes a function a method of, as a list of its name; empty for anything else."
    patched = isinstance(node, ast.FunctionDef) and any("patch" in ast.unparse(d) for d in node.decorator_list)
    return [ast.unparse(node.args.args[0].annotation)] if patched else []


def writes_html(node):
    "Whether a node is a text with a tag in it, or a call that makes something rich."
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return name in RICH and bool(node.args)
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(TAG.search(node.value))


def makers():
    "{module.function: line} of all that writes tags, hands text to an HTML widget, or gives a notebook something rich."
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(file.relative_to(PACKAGE).with_suffix("").parts)

        def look(node, inside, module=module):
            for child in ast.iter_child_nodes(node):
                named = isinstance(child, (ast.FunctionDef, ast.ClassDef))
                names = [*inside, *owner(child), child.name] if named else inside
                if writes_html(child):
                    in_class = names and names[0][:1].isupper()
                    found.setdefault(".".join([module, *names[: 2 if in_class else 1]]), child.lineno)
                look(child, names)

        look(ast.parse(file.read_text(encoding="utf-8")), [])
    return found


def test_every_function_that_writes_html_is_tried():
    known = {*VIEWS, *NO_DATA}
    harmless = tuple(f"{name}." for name in NO_DATA)
    new = {name: line for name, line in makers().items() if name not in known and not name.startswith(harmless)}
    assert new == {}, (
        "these write HTML: add a call with hostile text to VIEWS, or the reason why none is needed to NO_DATA"
    )
    gone = set(VIEWS) - set(makers())
    assert gone == set(), "these are no longer found: are they written in another way?"


@pytest.mark.parametrize("name", VIEWS)
def test_hostile_text_is_shown_as_text(name):
    page = VIEWS[name]()
    assert not RAW.search(page), RAW.search(page)
    assert "&lt;" in page, "the text was not shown at all, so this proves nothing"


def test_the_search_for_raw_markup_finds_it():
    "A test that cannot fail is none: the same search, on views that do not escape."
    for page in (f"<td>{NASTY}</td>", f'<img alt="{NASTY}">', f"<b>{IMAGE}</b>", f"<p>{SCRIPT.upper()}</p>"):
        assert RAW.search(page)


# ------------------------------------------------------------------ what a notebook gets of everything else
def rich(thing):
    "All that a notebook would show of a value, but its plain text, which it escapes itself."
    from IPython.core.formatters import DisplayFormatter

    made, _ = DisplayFormatter().format(thing)
    return {kind: text for kind, text in made.items() if kind != "text/plain"}


def results():
    from ftcourse.data.encode.show import unk_report
    from ftcourse.data.encode.texts import encode_task
    from ftcourse.data.problems import Problem
    from ftcourse.metrics.comparison import compare
    from ftcourse.tasks.qa import ask

    bad = load_task(
        {
            "train": [{"text": NASTY, "label": SCRIPT}, {"text": "b", "label": IMAGE}, {"text": "", "label": SCRIPT}],
            "test": [{"text": NASTY, "label": IMAGE}],
        },
        on_bad="skip",
    )
    split = encode_task(task(), "train", tuned().tokenizer)
    return {
        "task": task(),
        "problems": bad.problems,
        "leaks": bad.leaks(),
        "a problem": Problem(NASTY, 1, NASTY, NASTY),
        "history": tuned().history,
        "model": tuned(),
        "report": report(),
        "hardest": report().hardest(),
        "predictions": tuned().predict([NASTY]),
        "probabilities": tuned().probabilities([NASTY]),
        "comparison": compare(report(), report(), names=(NASTY, NASTY)),
        "examples": split,
        "tokens": tokens(),
        "unknown words": unk_report(task(), tuned().tokenizer),
        "answers": reader().answers([(NASTY, NASTY)]),
        "asked": ask(reader(), NASTY, NASTY),
        "scoreboard": scoreboard(),
        "sweep": sweep(),
        "progress": progress(),
        "panel": panel(),
        "controls": typed(),
        "explorer": prompted(),
        "pieces": pieces(),
        "attribution": attributed(),
        "span": picked(),
        "error": CourseError(NASTY),
    }


def test_whatever_a_cell_ends_with_is_escaped():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = results()
    for name, thing in found.items():
        for kind, text in rich(thing).items():
            assert not RAW.search(text if isinstance(text, str) else json.dumps(text)), f"{name} as {kind}"


def test_widgets_hold_no_raw_markup():
    "What reaches the page of a widget is the value of its HTML parts."
    import ipywidgets as w

    def parts(box):
        yield from (p for child in getattr(box, "children", ()) for p in [child, *parts(child)])

    from ftcourse.course.explorers.spans import explore_span
    from ftcourse.course.explorers.tokens import explore_tokens

    span = explore_span(reader(), NASTY, f"{SCRIPT} was founded by {IMAGE}.")
    widgets = (panel(), typed(), prompted(), explore_tokens(NASTY), span, attributed())
    held = [p.value for made in widgets for p in parts(made.box) if isinstance(p, w.HTML)]
    assert len(held) > 8
    assert any("&lt;" in x for x in held)
    assert not [x for x in held if RAW.search(x)]


def test_a_model_card_shows_text_as_text():
    from ftcourse.course.cli.model_card import card_text

    text = card_text(tuned(), task(), report(), name=NASTY)  # a quote may stand in a paragraph, markup may not
    assert not re.search(r"<script|<img", text, re.I)
    assert "&lt;script" in text.split("\n---\n", 1)[1]


def test_text_with_dollars_is_no_formula_in_a_picture():
    "A picture holds no markup, but $…$ would be typeset, and half a formula would stop the drawing."
    from matplotlib import pyplot as plt

    from ftcourse.course.explorers.scores import plot_threshold

    r = report()
    r = replace(
        r,
        labels=["$\\frac$", "$<script>$"],
        true=np.array([0, 1]),
        pred=np.array([0, 1]),
        probs=np.array([[0.9, 0.1], [0.2, 0.8]]),
    )
    plot_threshold(r).canvas.draw()
    plt.close("all")
