"""The glossary, and the links to it: each term is explained in a sentence or two and leads to where it is taught; a
lesson links a term where it first uses it, and a picture shows no term that was not explained before it.
"""

import ast
import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from ftcourse.course.story import STAMPED, halves, source
from tools import story
from tools.site import links

ROOT = Path(__file__).resolve().parent.parent
GLOSSARY = ROOT / "nbs" / "glossary.ipynb"
LESSONS = story.lessons()
named = pytest.mark.parametrize("path", LESSONS, ids=[p.stem[:2] for p in LESSONS])
LINK = re.compile(r"\[([^\]]+)\]\(\.\./glossary\.ipynb(?:#([^)]*))?\)")
ENTRY = re.compile(
    r"(?P<text>.+) \(\[lesson (?P<number>\d\d): (?P<section>.+)\]\(lessons/(?P<file>[^#)]+)#?(?P<anchor>.*)\)\)"
)
# where a term may stand without being used in prose: a link there would hinder, and its first use is elsewhere
NOT_PROSE = re.compile(
    r"^\#[^\n]* | ^>\ [^\n]* | ^\*\*Before\ this\ lesson:[^\n]* | ```.*?``` | `[^`\n]+` | \$\$.*?\$\$ | \$[^$\n]+\$"
    r" | !?\[[^\]]*\]\([^)]*\) | \*\*[^\n]+?\*\*",
    re.M | re.S | re.X,
)
# what is written at the axes of these pictures, whose code says nothing of it
DRAWN_BY = {
    "plot_history": "loss (nats), update",
    "TrainingPanel": "loss (nats), update",
    "plot_looks": "loss (nats), update, accuracy",
    "plot_effects": "loss (nats), accuracy",
}
ON_AXES = (
    "accuracy",
    "epoch",
    "learning rate",
    "loss",
    "nat",
    "perplexity",
    "precision",
    "recall",
    "threshold",
    "update",
)


class Term(NamedTuple):
    "A term of the glossary."

    name: str
    heading: str
    text: str  # what is said about it, with its link


def cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def terms(text):
    "The entries of a glossary's markdown, by their anchors."
    found = re.findall(r"^### (.+)\n(.*(?:\n(?!#).*)*)", text, re.M)
    return {links.slug(heading): Term(re.sub(r"\s*<.+", "", heading), heading, said.strip()) for heading, said in found}


TEXT = links.markdown_of(GLOSSARY)
TERMS = terms(TEXT)


def prose(path):
    "Markdown of a lesson's story."
    shown, _ = halves(cells(path))
    return "\n\n".join(source(c) for c in shown if c["cell_type"] == "markdown" and c["id"] not in STAMPED)


def linked(text):
    "(position, words, anchor) of each link to the glossary, in code or headings too."
    return [(m.start(), m[1].replace("*", ""), m[2]) for m in LINK.finditer(text)]


def words_of_terms():
    "{words, in small letters: anchor}: each term, its plural, and the words by which a lesson links it."
    found = {}
    for anchor, term in TERMS.items():
        found |= {term.name.lower(): anchor, f"{term.name.lower()}s": anchor}
    return found | {words.lower(): anchor for p in LESSONS for _, words, anchor in linked(prose(p))}


WORDS = words_of_terms()
USE = re.compile(
    r"(?<![\w-])(?:" + "|".join(sorted(map(re.escape, WORDS), key=len, reverse=True)) + r")(?![\w-])", re.I
)


def used_before_its_link(text):
    "Terms that the prose of a text uses before the link to them, each as the words in which it does."
    bare = NOT_PROSE.sub(lambda m: "\0" * len(m[0]), text)
    first = {}
    for m in USE.finditer(bare):
        first.setdefault(WORDS[m[0].lower()], m)
    late = [first[anchor] for at, _, anchor in linked(text) if anchor in first and first[anchor].start() < at]
    return [text[max(0, m.start() - 30) : m.end() + 10] for m in late]


def misplaced(text):
    "Links to the glossary in headings, in the promise, in bold words, in code and in a lesson's second line."
    inside = [m for m in NOT_PROSE.finditer(text) if not LINK.fullmatch(m[0])]
    return [words for at, words, _ in linked(text) if any(m.start() <= at < m.end() for m in inside)]


# ------------------------------------------------------------------ the glossary
def test_there_are_60_to_150_terms():
    assert 60 <= len(TERMS) <= 150
    assert len(TERMS) == len(re.findall(r"^### ", TEXT, re.M)), "two terms with one anchor"


def letters(name):
    return re.sub(r"[^a-z0-9 ]", " ", name.lower().replace("'", ""))


def test_terms_stand_in_alphabetical_order_under_their_letters():
    names = [t.name for t in TERMS.values()]
    assert names == sorted(names, key=letters)
    under, letter = [], None
    for level, title in re.findall(r"^(##|###) (.+)$", TEXT, re.M):
        if level == "##":
            letter = title
        else:
            under.append((letter, title[0].upper()))
    assert [pair for pair in under if pair[0] != pair[1]] == []
    assert [letter for letter, _ in under] == sorted(letter for letter, _ in under)


@pytest.mark.parametrize("anchor", TERMS)
def test_an_anchor_is_the_same_in_jupyterlab(anchor):
    "JupyterLab takes a heading as it is, with its capitals and signs; GitHub, Quarto and our pages do not."
    term = TERMS[anchor]
    assert term.name.replace(" ", "-") == anchor or f'<a id="{anchor}"></a>' in term.heading


def sentences(text):
    "Sentences of a text; a point in a number or in an address ends none."
    return [s for s in re.split(r"(?<=[.?!])\s+(?=\S)", text) if s]


@pytest.mark.parametrize("anchor", TERMS)
def test_a_term_is_explained_in_a_sentence_or_two_and_leads_to_where_it_is_taught(anchor):
    hit = ENTRY.fullmatch(TERMS[anchor].text)
    assert hit, "one line: what it is, and in brackets [lesson 06: Its section](lessons/…)"
    assert len(sentences(hit["text"])) in (1, 2)
    assert all(s[0].isupper() and s[-1] == "." and 4 <= len(s.split()) <= 40 for s in sentences(hit["text"]))
    lesson = ROOT / "nbs" / "lessons" / hit["file"]
    assert lesson.stem[:2] == hit["number"]
    if hit["anchor"]:
        sections = re.findall(r"^##+ (.+)$", prose(lesson), re.M)
        assert hit["section"] in sections, "no section of that name in the story"
        assert hit["anchor"] == links.slug(hit["section"])
    else:
        assert hit["section"] == re.match(r"# (.+)", prose(lesson))[1]


# ------------------------------------------------------------------ the lessons
@named
def test_every_lesson_links_terms_of_the_glossary(path):
    assert linked(prose(path)) != []


@named
def test_every_link_to_the_glossary_leads_to_a_term(path):
    whole = links.markdown_of(path)
    assert [words for _, words, anchor in linked(whole) if anchor not in TERMS] == []
    assert whole.count("glossary.ipynb") == len(linked(whole)), "a link that is written in another way"


@named
def test_a_lesson_links_a_term_where_its_story_first_uses_it(path):
    assert used_before_its_link(prose(path)) == []


@named
def test_links_to_the_glossary_stand_in_prose_one_for_a_term_and_few(path):
    text = prose(path)
    assert misplaced(text) == []
    anchors = [anchor for _, _, anchor in linked(text)]
    assert sorted(anchors) == sorted(set(anchors)), "a term is linked twice"
    assert len(anchors) <= 16
    crowded = [s for s in sentences(text) if len(linked(s)) > 3]
    assert crowded == [], "a sentence is hard to read with so many links"


def test_a_use_before_its_link_and_a_link_that_is_no_prose_are_found():
    there = "(../glossary.ipynb#loss)"
    good = f"## The loss\n> A loss.\n\n`loss` and **loss** and [loss](x.md), then a [loss]{there}, a loss."
    assert used_before_its_link(good) == []
    assert used_before_its_link(f"Small losses? A loss. The [loss]{there}.") == ["Small losses? A loss. The [los"]
    assert used_before_its_link("The validation split. A [split](../glossary.ipynb#split).") == []
    assert misplaced(good) == []
    for bad in (
        f"## The [loss]{there}",
        f"> A [loss]{there}",
        f"**A [loss]{there}**",
        f"**Before this lesson:** [loss]{there}",
    ):
        assert misplaced(bad) == ["loss"], bad


# ------------------------------------------------------------------ pictures
def drawn(code):
    "Terms that stand at the axes of a cell's pictures."
    names = {n.id for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Name)}
    if not names & {*DRAWN_BY, "axes", "plt"}:
        return set()
    said = [n.value for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    said += [DRAWN_BY[n] for n in names & set(DRAWN_BY)]
    return {WORDS[m[0].lower()] for text in said for m in USE.finditer(text)} & set(map(links.slug, ON_AXES))


def explained(text, anchor):
    "Whether a text links a term to the glossary, or sets it in bold or italics as what it defines."
    names = "|".join(re.escape(w) for w, a in WORDS.items() if a == anchor)
    return f"../glossary.ipynb#{anchor})" in text or re.search(rf"(?i)(?<!\w)\*+(?:{names})\*+(?!\w)", text) is not None


def unexplained(shown):
    "(cell, term) for each picture that shows a term which nothing before it explains."
    found, before = [], ""
    for cell in shown:
        if cell["cell_type"] == "markdown":
            before += source(cell) + "\n\n"
        elif cell["id"] not in STAMPED:
            found += [(cell["id"], anchor) for anchor in drawn(source(cell)) if not explained(before, anchor)]
    return found


@named
def test_terms_at_the_axes_of_a_picture_are_explained_before_it(path):
    assert unexplained(halves(cells(path))[0]) == []


def test_an_unexplained_axis_is_found():
    def cell(kind, text):
        return {"id": text, "cell_type": kind, "source": text}

    picture, panel = cell("code", "_, ax = axes()\nax.set(xlabel='update')"), cell("code", "TrainingPanel()")
    words = cell("markdown", "The *loss*, in **nats**, at each [update](../glossary.ipynb#update).")
    assert unexplained([picture]) == [(picture["id"], "update")]
    assert {anchor for _, anchor in unexplained([panel])} == {"loss", "nat", "update"}
    assert unexplained([cell("markdown", "An update."), picture]) == [(picture["id"], "update")]
    assert unexplained([words, picture, panel]) == []
    assert unexplained([cell("code", "print('update')")]) == []
