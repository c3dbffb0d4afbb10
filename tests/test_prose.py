"Prose of the notebooks and of the markdown at the top: British spelling, and no sentence that an edit has replaced."

import re
from functools import cache
from pathlib import Path

import pytest

from tools.site import links

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted((ROOT / "nbs").rglob("[!.]*.ipynb")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
# tokenizer and optimizer are names of the field, and keep their z
AMERICAN = re.compile(
    r"\b(?:un|re)?(?:emphasi|generali|initiali|maximi|memori|minimi|normali|optimi|organi|penali|randomi|reali|recogni|"
    r"regulari|speciali|standardi|summari|tokeni|vectori|visuali)z(?:e[sd]?|ing|ations?)\b"
    r"|\bcolor(?:s|ed)?\b|\bbehaviors?\b|\bfavorites?\b|\b(?:un)?label(?:ed|ing)\b|\bmodel(?:ed|ing)\b"
    r"|\banalyze[sd]?\b|\bcenter(?:ed|s)?\b|\bneighbors?\b|\bgray\b|\bartifacts?\b|\bjudgment\b",
    re.I,
)
RULES = re.search(r"(?ms)^## Plain prose\n(.*?)(?=^## )", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))[1]
PAIRS = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", RULES, re.M)[1:]  # (rule, before, after)


@cache
def prose(path):
    "Markdown without code, links' addresses, quoted words and titles of papers."
    text = links.CODE.sub(" ", links.markdown_of(path).replace(RULES, ""))
    text = re.sub(r"(?<!\*)\*[A-Z][^*\n]{15,}\*(?!\*)", " ", text)
    return re.sub(r"\]\([^)]*\)|<[^>]+>|\"[^\"\n]*\"|“[^”\n]*”", " ", text)


def american(text):
    return [m[0] for m in AMERICAN.finditer(text)]


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_spelling_is_british(path):
    assert american(prose(path)) == []


def test_american_spelling_is_found():
    assert american("It normalizes colors; labeled, modeling, gray.") == [
        "normalizes",
        "colors",
        "labeled",
        "modeling",
        "gray",
    ]
    assert american("It normalises colours; labelled, modelling, grey, a coloured size, resized.") == []


def test_the_rules_have_8_to_14_pairs():
    assert 8 <= len(PAIRS) <= 14
    assert [before for _, before, after in PAIRS if before == after] == []


@pytest.mark.parametrize("before", [before for _, before, _ in PAIRS])
def test_a_sentence_that_was_replaced_stays_away(before):
    words = before.rstrip(".:?").lower()
    assert [p.name for p in PAGES if words in prose(p).replace("*", "").lower()] == []
