"""The ledger of claims: `make claims`. Runs every lesson that claims something and writes what it measured.

Each statement that a lesson makes in bold is an experiment in it. This runs them all, from a fresh kernel and one after
the other, says which turned or moved beyond their interval since the last time, and writes ftcourse/assets/claims.jsonl
(which ships with the package), measure/claims.md, and the tables in README.md and on the home page. A claim that does
not hold is written down as such.
"""
import argparse
import json
import os
import re
import tempfile
from pathlib import Path

from common import HERE, described, machine, threads_from

ROOT = HERE.parent
MARKS = "<!-- claims: written by make claims -->", "<!-- /claims -->"


def lessons():
    "Notebooks of which a cell calls `claim`."
    for path in sorted((ROOT / "nbs" / "lessons").glob("[0-9]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        if any(c["cell_type"] == "code" and re.search(r"(?m)^claim\(", "".join(c["source"])) for c in cells): yield path


def measure():
    "Run the lessons -> their claims. Stops at a lesson that fails, and nothing is written."
    from ftcourse._lessons import run
    from ftcourse.ledger import read_claims
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "claims.jsonl"
        file.touch()
        os.environ["FTCOURSE_LEDGER"] = str(file)
        for path in lessons():
            found = run(path)
            print(f"  {found['notebook']}: {found['seconds']:.0f} s", flush=True)
            if found["error"]: raise SystemExit(f"{found['notebook']}: {found['error']}: nothing was written")
        return read_claims(file)


def put(path, text):
    "A table between its marks, in a Markdown file or a notebook's cell."
    whole = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        nb = json.loads(whole)
        for cell in nb["cells"]:
            if MARKS[0] in (source := "".join(cell["source"])): cell["source"] = between(source, text).splitlines(True)
        new = json.dumps(nb, indent=1, ensure_ascii=False) + "\n"
    else: new = between(whole, text)
    temp = path.with_name(path.name + ".tmp")
    temp.write_text(new, encoding="utf-8")
    os.replace(temp, path)


def between(whole, text):
    first, _, rest = whole.partition(MARKS[0])
    return f"{first}{MARKS[0]}\n{text}\n{MARKS[1]}{rest.partition(MARKS[1])[2]}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--dry", action="store_true", help="say what changed, and write nothing")
    args = p.parse_args()
    record = machine(threads_from(args))
    from ftcourse.ledger import ledger, write_claims
    before, now = ledger(), measure()
    changed = before.changed(now)
    print(now, "", *(changed or ["nothing moved beyond its interval"]), sep="\n")
    if args.dry: return
    from ftcourse.settings import assets
    write_claims(now, assets() / "claims.jsonl")
    parts = ["# What the lessons claim", f"`make claims`. {described(record)}", __doc__.split("\n\n")[1].replace("\n", " "), now.markdown(),
             "## Since the measurement before", "\n".join(f"- {line}" for line in changed) or "Nothing moved beyond its interval."]
    (HERE / "claims.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    for name in ("README.md", "nbs/index.ipynb"): put(ROOT / name, now.markdown())


if __name__ == "__main__": main()
