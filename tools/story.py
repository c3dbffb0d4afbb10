"""How long each lesson's story is: `python -m tools.story [NOTEBOOK ...]`, and `--before REVISION` for a table of then
and now, which `--write` puts into measure/story.md.

By hand, not exported.
"""

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path

from ftcourse.core.tables import markdown_table, text_table
from ftcourse.course.story import BEHIND, halves, length

ROOT = Path(__file__).resolve().parent.parent
HEAD = ["lesson", "cells", "words", "promised", "minutes", "drawings", "links"]


def lessons(root=ROOT):
    return sorted((root / "nbs" / "lessons").glob("[0-9]*.ipynb"))


def at(path, revision, root=ROOT):
    "Cells of a notebook as a revision of the repository has it; None where it has none."
    name = path.resolve().relative_to(root).as_posix()
    shown = subprocess.run(["git", "show", f"{revision}:{name}"], cwd=root, capture_output=True)
    return json.loads(shown.stdout)["cells"] if shown.returncode == 0 else None


def row(path, cells):
    "What is printed of a lesson; a lesson in which nothing stands behind is marked."
    n = length(cells)
    mark = "" if halves(cells)[1] else " (all in one)"
    return [f"{path.stem}{mark}", n.cells, n.words, n.promised or "–", n.minutes, n.drawings, n.links]


def then_and_now(path, before, now):
    "The same, each figure as `before → now`."
    if before is None:
        return [str(x) for x in row(path, now)]
    pairs = zip(row(path, before)[1:], row(path, now)[1:])
    return [path.stem, *(f"{old} → {new}" for old, new in pairs)]


def page(before, table):
    "What measure/story.md says."
    return f"""# The lessons for their readers

`python -m tools.story --before {before} --write`, {datetime.date.today()}: then → now, where a lesson stood then.
Counted is the story, up to the heading {BEHIND!r}: its cells, the words of its prose, the minutes that its first lines
promise, the minutes measured (200 words a minute and 5 minutes an exercise), drawings, links.

{table}
"""


def main(args):
    p = argparse.ArgumentParser(prog="python -m tools.story", description=f"Lessons, up to their {BEHIND!r}.")
    p.add_argument("notebooks", nargs="*", type=Path)
    p.add_argument("--before", metavar="REVISION", help="a markdown table of that revision and of now")
    p.add_argument("--write", action="store_true", help="that table into measure/story.md")
    given = p.parse_args(args)
    if given.write and (given.notebooks or not given.before):
        p.error("--write is for all lessons, beside a revision: give --before, and no notebooks")
    paths = given.notebooks or lessons()
    now = {p: json.loads(p.read_text(encoding="utf-8"))["cells"] for p in paths}
    if given.before:
        table = markdown_table([HEAD, *(then_and_now(p, at(p, given.before), cells) for p, cells in now.items())])
        print(table)
        if given.write:
            (ROOT / "measure" / "story.md").write_text(page(given.before, table), encoding="utf-8")
    else:
        print(text_table([HEAD, *(row(p, cells) for p, cells in now.items())], right=True))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
