"""The ledger of claims: `make claims`.

Runs every lesson that claims something and writes what it measured.

Each statement that a lesson makes in bold is an experiment in it, or in one of two longer measurements whose results
ship as small files (measure/budgets.py, measure/overfitting.py: about an hour and a half in all, and what was measured
before with the same weights is not repeated). This runs those, then all lessons with a claim, from a fresh kernel; says
which claims turned or moved beyond their interval since the last time; and writes ftcourse/assets/claims.jsonl (which
ships with the package), measure/claims.md, and the tables in README.md and on the home page. A claim that does not hold
is written down as such.
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

ROOT = HERE.parent
LONGER = "budgets.py", "overfitting.py"
PAGES = "README.md", "nbs/index.ipynb"


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
    temp = path.with_name(path.name + ".tmp")
    temp.write_text(new, encoding="utf-8")
    os.replace(temp, path)


def between(whole, name, text):
    first, last = marks(name)
    if first not in whole or last not in whole:
        raise SystemExit(f"there is no place for the table {name}: write the lines {first} and {last} where it belongs")
    before, _, rest = whole.partition(first)
    return f"{before}{first}\n{text}\n{last}{rest.partition(last)[2]}"


def tables(claims):
    "{name: Markdown} of what stands on the pages."
    from ftcourse.core.tables import markdown_table
    from ftcourse.course.ledger import article

    return {"article": markdown_table(article(claims)), "claims": claims.markdown()}


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
        parts = [
            "# What the lessons claim",
            f"`make claims`. {described(record)}",
            __doc__.split("\n\n")[1].replace("\n", " "),
            *tables(now).values(),
            "## Since the measurement before",
            "\n".join(f"- {line}" for line in changed) or "Nothing moved beyond its interval.",
        ]
        (HERE / "claims.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    for page in PAGES:
        for name, text in tables(now).items():
            put(ROOT / page, name, text)


if __name__ == "__main__":
    main()
