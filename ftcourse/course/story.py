"""A lesson's two halves: the story that a learner reads, and what stands behind the lesson. By hand, not exported.

The story ends at the heading `## Behind the lesson`. What follows is folded where notebooks can be folded: in
JupyterLab by metadata of its cells, on Colab by metadata of the notebook, on the site by `<details>`. GitHub folds
nothing, so that part stands at the end.
"""

import re
from typing import NamedTuple

BEHIND = "## Behind the lesson"
ANCHOR = ' <a id="behind-the-lesson"></a>'  # links in small letters: JupyterLab's own anchor has a capital
STAMPED = ("c01ab0a0", "c01ab0a1")  # ids of the badge and of Colab's set-up, the same in every lesson
WORDS_A_MINUTE = 200
MINUTES_AN_EXERCISE = 5


def source(cell) -> str:
    "Text of a cell, in JSON a list of lines."
    return "".join(cell["source"])


def halves(cells) -> tuple[list, list]:
    "(cells of the story, cells behind the lesson with their heading); all are story where there is no such heading."
    for i, cell in enumerate(cells):
        first = source(cell).split("\n", 1)[0].replace(ANCHOR, "").strip()
        if cell["cell_type"] == "markdown" and first == BEHIND:
            return list(cells[:i]), list(cells[i:])
    return list(cells), []


class Length(NamedTuple):
    "How long a story is."

    cells: int  # with something in them, badge and set-up left out
    words: int  # of prose
    exercises: int
    promised: int | None  # minutes, as the first cell says
    drawings: int
    links: int

    @property
    def minutes(self) -> int:
        "Minutes that reading and exercises take."
        return round(self.words / WORDS_A_MINUTE + MINUTES_AN_EXERCISE * self.exercises)

    def __str__(self):
        promised = f" of {self.promised} promised" if self.promised else ""
        return f"story: {self.cells} cells, {self.minutes} minutes{promised}"


def length(cells) -> Length:
    "Length of the story of a notebook's cells."
    shown = [c for c in halves(cells)[0] if c.get("id") not in STAMPED and source(c).strip()]
    prose = "\n\n".join(source(c) for c in shown if c["cell_type"] == "markdown")
    code = [source(c) for c in shown if c["cell_type"] == "code"]
    promise = re.search(r"\b(?:[Aa]bout|[Ii]n) (\d+) minutes", source(shown[0])) if shown else None
    return Length(
        len(shown),
        words(prose),
        sum(len(re.findall(r"^\w+\.check\(", text, re.M)) for text in code),
        int(promise[1]) if promise else None,
        len(re.findall(r"!\[[^\]]*\]\([^)]*\.svg\)|<img[^>]*\.svg", prose))
        + sum(len(re.findall(r"\b(?:drawing|course_map)\(", text)) for text in code),
        len(re.findall(r"(?<!!)\[[^\]]+\]\([^)]+\)", prose)),
    )


def words(prose: str) -> int:
    "Words of markdown: code blocks, folded parts, formulas and addresses of links are left out."
    for left_out in (r"(?s)```.*?```", r"(?s)<details>.*?</details>", r"(?s)\$\$.*?\$\$", r"<[^>]+>", r"\]\([^)]*\)"):
        prose = re.sub(left_out, " ", prose)
    return sum(any(c.isalnum() for c in word) for word in prose.split())


def fold(cells) -> dict:
    """Fold what stands behind the lesson: set the metadata of its cells, and return what the notebook's own metadata
    must say.
    """
    behind = halves(cells)[1]
    if not behind:
        return {}
    heading, *rest = behind
    # Colab folds the sections whose headings have these ids, and looks for an id in the metadata
    heading["metadata"] = {"id": heading["id"], "jp-MarkdownHeadingCollapsed": True}
    for cell in rest:
        if cell["cell_type"] == "code":
            cell["metadata"] = {"jupyter": {"source_hidden": True}}
    return {"colab": {"collapsed_sections": [heading["id"]]}}
