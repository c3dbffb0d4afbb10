"""The ledger of claims: `make claims`.

Runs every lesson that claims something and writes what it measured.

Each statement that a lesson makes in bold is an experiment in it, or in one of two longer measurements whose results
ship as small files (measure/budgets.py, measure/overfitting.py: about an hour and a half in all, and what was measured
before with the same weights is not repeated). This runs those, then all lessons with a claim, from a fresh kernel; says
which claims turned or moved beyond their interval since the last time; and writes ftcourse/assets/claims.jsonl (which
ships with the package), measure/claims.md, and the short table in README.md and on the home page. A claim that does not
hold is written down as such.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from common import HERE, described, machine, threads_from

from ftcourse.core.files import write_atomic

ROOT = HERE.parent
LONGER = "budgets.py", "overfitting.py"
PAGES = {  # file: the tables that stand in it
    "README.md": ["verdicts"],
    "nbs/index.ipynb": ["verdicts"],
    "measure/claims.md": ["article", "claims"],
}
READING = """Each line is an experiment in its lesson, or in a longer measurement that its lesson reads, with a 95%
interval over what it counts: seeds as a rule, else models, rows or sentences. *Does NOT hold* means that its criterion
was not met: not shown with these runs, which is not the same as shown to be false. Such a claim stays here, as failed.
*Against* is a claim that holds and speaks against the statement of the article.""".replace("\n", " ")


def lessons():
    "Notebooks of which a cell calls `claim`."
    for path in sorted((ROOT / "nbs" / "lessons").glob("[0-9]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        if any(c["cell_type"] == "code" and re.search(r"(?m)^claim\(", "".join(c["source"])) for c in cells):
            yield path


def measure(save, jobs):
    "Run the lessons -> their claims. Where a lesson fails nothing is written."
    from ftcourse.course.ledger import read_claims
    from ftcourse.course.notebooks import results

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "claims.jsonl"
        file.touch()
        os.environ["FTCOURSE_LEDGER"] = str(file)
        failed = []
        for found in results(list(lessons()), save, jobs):
            print(f"  {found['notebook']}: {found['seconds']:.0f} s", flush=True)
            if found["error"]:
                failed.append(f"{found['notebook']}: {found['error']}")
        if failed:
            raise SystemExit("\n".join([*failed, "nothing was written"]))
        return read_claims(file)


def marks(name):
    return f"<!-- {name}: written by make claims -->", f"<!-- /{name} -->"


def put(path, name, text):
    "A table between its marks, in a Markdown file or a notebook's cell."
    whole = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        nb = json.loads(whole)
        for cell in nb["cells"]:
            if marks(name)[0] in (source := "".join(cell["source"])):
                cell["source"] = between(source, name, text).splitlines(True)
        new = json.dumps(nb, indent=1, ensure_ascii=False) + "\n"
    else:
        new = between(whole, name, text)
    write_atomic(path, new)


def between(whole, name, text):
    first, last = marks(name)
    if first not in whole or last not in whole:
        raise SystemExit(f"there is no place for the table {name}: write the lines {first} and {last} where it belongs")
    before, _, rest = whole.partition(first)
    return f"{before}{first}\n{text}\n{last}{rest.partition(last)[2]}"


def verdicts(claims):
    "The article's statements, each with its verdict and the lessons that measure it, as rows of texts, the head first."
    from ftcourse.course.ledger import article

    head, *rows = article(claims)
    lessons_of = lambda measured: ", ".join(sorted(set(re.findall(r"(\d\d)\.", measured))))
    return [[head[0], "measured", "lesson"], *([text, verdict, lessons_of(by)] for text, verdict, by in rows)]


def tables(claims):
    "{name: Markdown} of what stands on the pages."
    from ftcourse.core.tables import markdown_table
    from ftcourse.course.ledger import article

    return {
        "verdicts": markdown_table(verdicts(claims)),
        "article": markdown_table(article(claims)),
        "claims": claims.markdown(),
    }


def empty(name):
    "The place of a table in a new page."
    return "\n".join(marks(name))


def page(record, changed):
    "Text of measure/claims.md, with places for its tables."
    return "\n\n".join(
        [
            "# What the lessons claim",
            f"`make claims`. {described(record)}",
            __doc__.split("\n\n")[1].replace("\n", " "),
            READING,
            "## What the article says",
            empty("article"),
            "## Every claim",
            empty("claims"),
            "## Since the measurement before",
            "\n".join(f"- {line}" for line in changed) or "Nothing moved beyond its interval.",
        ]
    )


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument(
        "--jobs",
        type=int,
        default=1,
        help="lessons at a time, each with one thread: sooner done, but the seconds are then those of a busy machine",
    )
    p.add_argument(
        "--lessons", action="store_true", help="the lessons only, with the longer measurements as they stand"
    )
    p.add_argument(
        "--save",
        action="store_true",
        help="save the outputs of the lessons too, so that they show the run that was written down",
    )
    p.add_argument(
        "--pages", action="store_true", help="measure nothing; write the tables again from what was measured last"
    )
    p.add_argument("--dry", action="store_true", help="say what changed, and write nothing")
    args = p.parse_args()
    record = machine(threads_from(args))
    from ftcourse.core.settings import assets
    from ftcourse.course.ledger import ledger, write_claims

    before = ledger()
    if args.pages:
        now = before
    else:
        for script in () if args.lessons else LONGER:
            subprocess.run([sys.executable, HERE / script], check=True)
        now = measure(args.save and not args.dry, args.jobs)
        changed = before.changed(now)
        print(now, "", *(changed or ["nothing moved beyond its interval"]), sep="\n")
        if args.dry:
            return
        write_claims(now, assets() / "claims.jsonl")
        write_atomic(HERE / "claims.md", page(record, changed) + "\n")
    texts = tables(now)
    for file, names in PAGES.items():
        for name in names:
            put(ROOT / file, name, texts[name])


if __name__ == "__main__":
    main()
