"""What the course says in bold, what its lessons measure, and what its pages show: the same claims."""

import json
import re
import sys
from pathlib import Path

import pytest

from ftcourse.course.ledger import ARTICLE, article, ledger

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "measure"))
LESSONS = sorted((ROOT / "nbs/lessons").glob("[0-9]*.ipynb"))
HEADS = {  # bold words that name what follows them and state nothing
    "02": (
        "A mark that you cannot see.",
        "A comma inside a text.",
        "A line break inside a text.",
        "A row with three fields.",
        "A word that looks like nothing.",
    ),
    "03": (
        "keep frequent words whole, and spell rare ones in pieces that are themselves frequent.",
        "And now it is three lines:",
    ),
    "04": ("the order of epoch $k$ is a pure function of the seed and $k$",),  # a decision; tested, not measured
    "05": (
        "The name is wrong, or the network is down.",
        "The tokenizer belongs to another model.",
        "The head is new, or was trained for something else.",
        "The labels are numbered differently.",
    ),
    "07": ("a function of the seed and the step",),
    "15": (
        "One: a name that nobody imported.",
        "Two: an argument that no longer exists.",
        "Three: a split that is not called that.",
        "Four: the text was never turned into numbers.",
        "Five: rows of different lengths.",
        "Six: the log has no curve",
        "Seven: `eval_dataset` is never looked at",
        "Eight: there is no metric.",
        "Ten: the head is drawn before the seed is set.",
        "Eleven: a loss of nan is logged as a very good one.",
        "Twelve: the network stays in training mode",
        "The order of the rows.",
        "The rate of a new head.",
        "The head's rate, and what decays.",
        "The loss on validation rows.",
        "The division of the loss, when gradients are accumulated",
        "The validation loss of a language model.",
        "What you keep, what you are told, what state the network is in.",
    ),
    "18": ("Which parts of the text.", "A baseline that has an opinion.", "word by word over these rows"),
}


def cells(path, kind):
    return [
        "".join(c["source"]) for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == kind
    ]


def claimed(path):
    return re.findall(r'(?m)^claim\(\s*"([^"]+)"', "\n".join(cells(path, "code")))


def bold(path):
    """(bold words, what follows them) of five words and more that are neither a question nor the heading of something
    to do.
    """
    for text in cells(path, "markdown"):
        for found in re.finditer(r"(?<![\w*`])\*\*(?=[^\s*])(.+?)(?<=[^\s*])\*\*(?=(.{0,120}))", text, re.S):
            if len(found[1].split()) >= 5 and not re.match(r"Predict\b|Break it|\d+\.|.*\?$", found[1]):
                yield found[1].replace("\n", " "), found[2]


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem[:2])
def test_every_bold_statement_names_its_claim(path):
    ids, bare = claimed(path), []
    for statement, after in bold(path):
        named = re.match(r"[^*\n]{0,80}?claims? ((?:`[\w.-]+`(?:, | and )?)+)", after)
        if named:
            assert set(re.findall(r"`([\w.-]+)`", named[1])) <= set(ids), (
                f"{statement!r} names a claim that this lesson does not make: {named[1]}"
            )
        elif statement not in HEADS.get(path.stem[:2], ()):
            bare.append(statement)
    assert not bare, (
        f"{path.name}: bold statements without a claim: {bare}. Measure each, and write (claim `id`) behind it; or, "
        "where it states nothing, add it to HEADS"
    )


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem[:2])
def test_claims_are_the_lessons_own_and_in_the_ledger(path):
    ids = claimed(path)
    assert len(set(ids)) == len(ids)
    assert all(i.startswith(path.stem[:2] + ".") for i in ids)
    assert not (lost := set(ids) - set(ledger())), f"never written down: {sorted(lost)}: run `make claims`"


def test_the_ledger_has_no_claim_that_no_lesson_makes():
    assert set(ledger()) <= {i for path in LESSONS for i in claimed(path)}


def test_what_is_too_many_for_seeds_is_called_by_its_name():
    assert not [c.id for c in ledger().values() if c.of == "seeds" and c.n > 20], (
        "say what n counts: claim(…, of=\"sentences\")"
    )


def test_the_pages_show_the_ledger_that_ships():
    from claims import PAGES, marks, tables

    made = tables(ledger())
    assert {name for names in PAGES.values() for name in names} == set(made)
    for page, names in PAGES.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        if page.endswith(".ipynb"):
            text = "\n\n".join("".join(c["source"]) for c in json.loads(text)["cells"])
        for name in names:
            first, last = marks(name)
            assert f"{first}\n{made[name]}\n{last}" in text, (
                f"{page}: the table {name} is not that of ftcourse/assets/claims.jsonl: run `python measure/claims.py "
                "--pages`"
            )


def reckoned(ids, shown):
    "A verdict from ids (- before one that speaks against) and from what was shown; reckoned apart from the package."
    spoke = ["for" if i[0] != "-" else "against" for i in ids if shown[i.lstrip("-")]]
    if "against" not in spoke and len(spoke) == len(ids):
        return "holds"
    if "for" in spoke:
        return "holds in part"
    return "does NOT hold" if spoke else "not shown"


@pytest.mark.parametrize("statement", ARTICLE)
def test_each_statement_of_the_article_has_a_verdict_from_claims(statement):
    rows = {said: (verdict, by) for said, verdict, by in article(ledger())[1:]}
    verdict, by = rows[statement]
    assert verdict == reckoned(ARTICLE[statement], {i: c.holds for i, c in ledger().items()})
    assert re.findall(r"\d\d\.[\w-]+", by) == [i.lstrip("-") for i in ARTICLE[statement]]


def test_the_article_has_twelve_statements_and_each_stands_in_the_short_table():
    from claims import verdicts

    head, *rows = verdicts(ledger())
    assert len(rows) == len(ARTICLE) == 12
    assert [row[:2] for row in rows] == [row[:2] for row in article(ledger())[1:]]
    for text, _, lessons in rows:
        assert lessons.split(", ") == sorted({i.lstrip("-")[:2] for i in ARTICLE[text]})


def test_a_claim_that_turns_turns_its_verdict():
    from dataclasses import replace

    for statement, ids in ARTICLE.items():
        fallen = {i.lstrip("-"): replace(ledger()[i.lstrip("-")], holds=False) for i in ids}
        turned = {said: verdict for said, verdict, _ in article({**ledger(), **fallen})[1:]}
        assert turned[statement] == "not shown"


def test_the_page_of_the_ledger_has_a_place_for_each_of_its_tables():
    from claims import PAGES, between, page
    from common import machine

    text = page(machine(1), [])
    for name in PAGES["measure/claims.md"]:
        text = between(text, name, f"the table {name}")
        assert f"the table {name}" in text
