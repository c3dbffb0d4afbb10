#!/usr/bin/env bash
# tabulate 0.10.0: its Markdown formats ("github", "pipe") write a bar inside a cell as it is.
# Seen: markdown-it-py 4.0.0 reads a row of two cells as three and drops the last, so a table of predictions whose
# texts hold "|" shows the wrong label column and no warning is given anywhere.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check tabulate==0.10.0 markdown-it-py==4.0.0 2>/dev/null
"$place/env/bin/python" - <<'PY'
import re
from importlib.metadata import version

from markdown_it import MarkdownIt
from tabulate import tabulate

rows = [["red | white", "wine"], ["plain", "paper"]]
print("tabulate", version("tabulate"), "· markdown-it-py", version("markdown-it-py"))
for form in ("github", "pipe"):
    text = tabulate(rows, headers=["text", "label"], tablefmt=form)
    page = MarkdownIt("commonmark").enable("table").render(text)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", page, re.S)][1:]
    print(form, "shows:", cells)
    assert cells == [["red", "white"], ["plain", "paper"]], f"changed: {form} shows {cells}"
PY
