"""Figures on the code itself: `python -m tools.figures [REVISION …]` prints them, a column for each revision.

Without a revision the working tree is measured. A revision is unpacked into a temporary folder: nothing here changes.
`--write` puts the table, with date and command, into measure/figures.md.

A code line is one that is neither empty nor a comment alone; docstrings count. A statement counts once, at the line
where it begins.
"""

import ast
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "measure" / "figures.md"


def git(*args, text=True):
    return subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=text, check=True).stdout


def unpacked(revision, folder):
    "The tree of a revision, as files in `folder`."
    with tarfile.open(fileobj=io.BytesIO(git("archive", revision, text=False))) as tree:
        tree.extractall(folder, filter="data")
    return Path(folder)


def python_files(root, *places):
    "Python files below `places`, as [(path, text)]."
    found = sorted(p for place in places for p in (root / place).rglob("*.py") if "__pycache__" not in p.parts)
    return [(p, p.read_text(encoding="utf-8")) for p in found]


def notebook_cells(root):
    "Sources of the code cells of all notebooks, as [(path, text)]."
    found = []
    for path in sorted((root / "nbs").rglob("*.ipynb")):
        if any(part[0] == "." for part in path.relative_to(root).parts):
            continue
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found += [(path, "".join(c["source"])) for c in cells if c["cell_type"] == "code"]
    return found


def parsed(text):
    "The syntax tree; of a cell with magics, that of its other lines."
    try:
        return ast.parse(text)
    except SyntaxError:
        plain = [re.sub(r"^(\s*)[%!].*", r"\1pass", line) for line in text.split("\n")]
        return ast.parse("\n".join(plain))


def code_lines(text):
    "Lines that are neither empty nor a comment alone."
    return [line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]


def longer(sources, limit):
    "How many code lines are longer than `limit`, of how many."
    lines = [line for _, text in sources for line in code_lines(text)]
    n = sum(len(line) > limit for line in lines)
    return f"{n} of {len(lines):,} ({n / max(len(lines), 1):.1%})"


def crowded(sources):
    "How many lines begin more than one statement."
    n = 0
    for _, text in sources:
        begun = Counter(node.lineno for node in ast.walk(parsed(text)) if isinstance(node, ast.stmt))
        n += sum(several > 1 for several in begun.values())
    return n


def is_method(node):
    "Whether a function at the top of a module is patched into a class."
    return any(ast.unparse(d).split("(")[0].startswith("patch") for d in node.decorator_list)


def top_names(text):
    "Names that a module defines at its top: functions, classes, assigned names; no imports, no protocols."
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found |= {node.name} if not is_method(node) else set()
        elif isinstance(node, ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            inside = [n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
            found |= {n.id for n in inside if isinstance(n.ctx, ast.Store)}
    return {name for name in found if not re.fullmatch(r"__\w+__|_", name)}


def repeated(sources):
    "Names that more than one module defines at its top."
    count = Counter(name for _, text in sources for name in top_names(text))
    return sorted(name for name, n in count.items() if n > 1)


def attached(sources):
    "How many methods are attached to a class by assignment: `Class.name = …`."
    n = 0
    for _, text in sources:
        for node in ast.walk(parsed(text)):
            targets = node.targets if isinstance(node, ast.Assign) else []
            names = [x for t in targets for x in (t.elts if isinstance(t, ast.Tuple) else [t])]
            n += sum(
                isinstance(x, ast.Attribute) and isinstance(x.value, ast.Name) and x.value.id[:1].isupper()
                for x in names
            )
    return n


def try_else(sources):
    "How many tests expect an error by `try: … except …: … else: raise AssertionError`, not by `pytest.raises`."
    tried = [n for _, text in sources for n in ast.walk(parsed(text)) if isinstance(n, ast.Try) and n.orelse]
    return sum("AssertionError" in ast.unparse(n.orelse[0]) for n in tried)


def zeros(sources):
    "How many names that test code binds end in 0, each counted once a file."
    found = set()
    for path, text in sources:
        for node in ast.walk(parsed(text)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and re.search(r"[A-Za-z_]0$", node.id):
                found.add((path, node.id))
    return len(found)


def joined(sources):
    "How many assertions join several facts with `and`, of how many."
    asserts = [n for _, text in sources for n in ast.walk(parsed(text)) if isinstance(n, ast.Assert)]
    n = sum(isinstance(a.test, ast.BoolOp) and isinstance(a.test.op, ast.And) for a in asserts)
    return f"{n} of {len(asserts):,}"


def tests(sources):
    functions = [n for _, text in sources for n in parsed(text).body if isinstance(n, ast.FunctionDef)]
    return sum(n.name.startswith("test_") for n in functions)


def places(root):
    "Names at the first level of the package."
    inside = (root / "ftcourse").iterdir()
    return sorted(p.stem for p in inside if (p.suffix == ".py" or any(p.rglob("*.py"))) and p.name[0] not in "_.")


def arrows(root):
    "Imports from one first-level place of the package to another, inside functions too: {(from, to)}."
    found, known = set(), set(places(root))
    for path, text in python_files(root, "ftcourse"):
        parts = path.relative_to(root).with_suffix("").parts
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = list(parts[: -node.level]) if node.level else []
                full = ".".join([*base, *([node.module] if node.module else [])])
                names = [full, *(f"{full}.{a.name}" for a in node.names)]
            else:
                continue
            to = {n.split(".")[1] for n in names if n.startswith("ftcourse.")} & known
            found |= {(parts[1], other) for other in to if other != parts[1] and parts[1] in known}
    return found


def floors(root):
    "(how many floors the imports need, places that lie on a circle of imports)."
    edges, left, count = arrows(root), set(places(root)), 0
    while left:
        lowest = {p for p in left if not any(a == p and b in left for a, b in edges)}
        if not lowest:
            return count, sorted(left)
        left, count = left - lowest, count + 1
    return count, []


def contracts(root):
    "What import-linter says of the tree's own contracts."
    program = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run(
        [program, "--no-cache"], cwd=root, capture_output=True, text=True, env={"PYTHONPATH": str(root)}
    )
    said = re.search(r"Contracts: (\d+) kept, (\d+) broken", ran.stdout)
    return f"{said[1]} kept, {said[2]} broken" if said else "not run"


def measured(root):
    "{what: figure} of a tree."
    package, trial, cells = python_files(root, "ftcourse"), python_files(root, "tests"), notebook_cells(root)
    extracted, by_hand = [], []
    for path, text in trial:
        (extracted if path.parent.name in ("lessons", "toolkit") else by_hand).append((path, text))
    depth, circle = floors(root)
    twice = repeated(package)
    return {
        "lines over 120 characters, package": longer(package, 120),
        "lines over 120 characters, tests": longer(trial, 120),
        "lines over 100 characters, notebook cells": longer(cells, 100),
        "lines with several statements, package": crowded(package),
        "lines with several statements, tests": crowded(trial),
        "lines with several statements, notebook cells": crowded(cells),
        "names that several modules define": len(twice),
        "methods attached by assignment": attached(package),
        "tests that expect an error by try/else": try_else(trial),
        "names in tests that end in 0": zeros(trial),
        "assertions that join facts with `and`": joined(trial),
        "lines of Python in the wheel": f"{sum(text.count(chr(10)) for _, text in package):,}",
        "modules in the wheel": len(package),
        "places on the first level of the package": len(places(root)),
        "imports between these places": len(arrows(root)),
        "floors that they need": depth,
        "places on a circle of imports": ", ".join(circle) or 0,
        "contracts of import-linter": contracts(root),
        "tests from notebooks": tests(extracted),
        "tests by hand": tests(by_hand),
    }, twice


def table(columns):
    "Markdown of {revision: {what: figure}}."
    names = list(columns)
    rows = [["figure", *names], ["---"] * (len(names) + 1)]
    rows += [[what, *(str(columns[name][what]) for name in names)] for what in columns[names[0]]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main(args):
    revisions = [a for a in args if a[0] != "-"]
    columns, twice = {}, []
    for revision in revisions:
        with tempfile.TemporaryDirectory() as folder:
            columns[f"`{revision}`"], twice = measured(unpacked(revision, folder))
    if not revisions:
        columns["working tree"], twice = measured(ROOT)
    print(table(columns))
    print("\nnames that several modules define:", ", ".join(twice) or "none")
    if "--write" not in args:
        return
    explained = __doc__.split("\n\n")[2].replace("\n", " ")
    short = {r: git("rev-parse", "--short=7", r).strip() for r in revisions}
    known = "".join(f"; `{r}` is {commit}" for r, commit in short.items() if r != commit)
    head = f"# Figures on the code\n\n`python -m tools.figures {' '.join(args)}`, {date.today()}{known}. {explained}"
    named = f"Names that several modules define in the last column: {', '.join(f'`{n}`' for n in twice) or 'none'}."
    PAGE.write_text(f"{head}\n\n{table(columns)}\n\n{named}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
