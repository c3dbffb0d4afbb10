"""The site: `python -m tools.site.build` makes its pages in _proc (for Quarto) and in _docs (HTML, without Quarto), and
checks every link.

A page is a lesson, a toolkit notebook, a module's docstrings, or a markdown file of the repository. Where the program
`quarto` is on PATH it renders _proc, and its pages replace the plain ones. By hand, not exported.
"""

import dataclasses
import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys

from ftcourse.course.notebooks import only_imports
from ftcourse.course.story import halves
from tools import stamp
from tools.site import html, links
from tools.site.pages import ROOT, Section, html_name, pages, sidebar


def relinked(text, page, every, here, root=ROOT):
    """A page's markdown with its links as the site has them: to pages, to images, and to GitHub for any other file of
    the repository.
    """
    at = {p.source: p.target for p in every}

    def new(link):
        path, _, anchor = link.partition("#")
        if not path or links.external(link):
            return link
        file = os.path.normpath(os.path.join(os.path.dirname(page.source), path)).replace(os.sep, "/")
        if file in at:
            file = at[file]
        elif file.startswith("nbs/images/"):
            file = file.removeprefix("nbs/")
        elif (root / file).exists():
            return here.file(file)
        else:
            return link  # broken, and the check of the links says so
        path = os.path.relpath(file, os.path.dirname(page.target) or ".").replace(os.sep, "/")
        return f"{path}#{anchor}" if anchor else path

    return links.replaced(text, new)


def fold(source, folded):
    "What the reader clicks on to see a code cell; empty for a cell in sight, None for one that is left out."
    head = source.split("\n", 1)[0]
    if re.match(r"#\|\s*(default_exp|hide)\b", head) or not source.strip():
        return None
    if hit := re.match(r"#\|\s*test\s+(.+)", head) or re.search(r"^def test_(\w+)\(", source, re.M):
        return f"Test: {hit[1].strip().replace('_', ' ')}"
    if "Exercise(" in source and head.startswith(("#| test_setup", "#| export course.exercises.")):
        return "Solution"
    if "Quiz(" in source and folded:
        return "Answers"
    if only_imports(source):
        return "Imports of the module"
    return "Code" if folded or head.startswith("#| test_setup") else ""


def notebook_page(page, every, here, root=ROOT):
    """The notebook of a page: title and promise as front matter, links as the site has them, folds as metadata, no
    directives; what stands behind a lesson between two cells of HTML that fold it.
    """
    nb = json.loads((root / page.source).read_text(encoding="utf-8"))
    cells = []
    story, behind = halves(nb["cells"])
    heading, *folded_away = behind or [None]
    if heading:
        opened = "<details><summary>Exports, tests and exercise definitions</summary>"
        story += [heading, raw_html("behind", opened), *folded_away, raw_html("end", "</details>")]
    for cell in story:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            if not cells and (hit := re.match(r"# (.+)\n+(?:> (.+)\n*)?", source)):
                front = (
                    f"---\ntitle: {json.dumps(hit[1], ensure_ascii=False)}\n"
                    + (f"description: {json.dumps(hit[2], ensure_ascii=False)}\n" if hit[2] else "")
                    + "---"
                )
                cells.append(cell | {"cell_type": "raw", "id": "front", "source": front})
                source = source[hit.end() :]
            if source.strip():
                cells.append(cell | {"source": relinked(source, page, every, here, root)})
        elif cell["cell_type"] == "code":
            summary = fold(source, cell["metadata"].get("jupyter", {}).get("source_hidden"))
            if summary is None:
                continue
            plain = re.sub(r"^(#\|[^\n]*\n?)+", "", source).strip("\n")
            if plain:
                cells.append(cell | {"source": plain, "metadata": {"fold": summary} if summary else {}})
        else:
            cells.append(cell)
    return nb | {"cells": cells}


def raw_html(name, text):
    "A cell of HTML as it stands."
    return {"cell_type": "raw", "id": name, "metadata": {"raw_mimetype": "text/html"}, "source": text}


def for_quarto(nb):
    "The same with folds, and what a drawing shows in words, as Quarto's cell options."

    def folded(cell):
        options = ""
        if "fold" in cell["metadata"]:
            summary = json.dumps(cell["metadata"]["fold"], ensure_ascii=False)
            options = f"#| code-fold: true\n#| code-summary: {summary}\n"
        for output in cell.get("outputs", ()):
            if "image/svg+xml" in output.get("data", ()):  # a drawing: its text is what it shows, in words
                alt = json.dumps("".join(output["data"]["text/plain"]), ensure_ascii=False)
                options += f"#| fig-alt: {alt}\n"
        return cell | {"source": options + cell["source"], "metadata": {}} if options else cell

    return nb | {"cells": [folded(c) for c in nb["cells"]]}


def api_page(page, every):
    "Markdown of a module: its promise, where it comes from, each public name with signature, shapes and docstring."
    from nbdev.showdoc import show_doc

    module = importlib.import_module(f"ftcourse.{page.title}")
    source = (ROOT / page.source).read_text(encoding="utf-8")
    notebook = re.search(r"File to edit: (?:\.\./)+(nbs/\S+\.ipynb)", source)[1]
    origin = next(p for p in every if p.source == notebook)
    parts = [
        f"---\ntitle: {json.dumps(page.title)}\n---",
        (module.__doc__ or "").strip(),
        f"From [{origin.title}](../{origin.target}).",
    ]
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            parts.append(shown(show_doc(thing, name=name, title_level=2)))
        else:
            value = repr(thing)
            if len(value) >= 300:
                value = value[:297] + "…"
            parts.append(f"## {name}\n\n```python\n{name} = {value}\n```")
        if inspect.isclass(thing):
            parts.append(fields_table(thing))
            own = [(n, m) for n, m in vars(thing).items() if inspect.isfunction(m) and n[0] != "_" and m.__doc__]
            parts += [shown(show_doc(m, name=f"{name}.{n}", title_level=3)) for n, m in own]
    return "\n\n".join(filter(None, parts)) + "\n"


def fields_table(cls):
    """Markdown table of a dataclass's fields: what each means, by its help or the comment on its line; empty for
    another class.
    """
    from fastcore.docments import docments

    from ftcourse.core.tables import markdown_table

    if not dataclasses.is_dataclass(cls):
        return ""
    comments, missing = docments(cls), dataclasses.MISSING
    rows = [
        [
            f"`{f.name}`",
            "" if f.default is missing else f"`{f.default!r}`",
            f.metadata.get("help") or comments.get(f.name) or "",
        ]
        for f in dataclasses.fields(cls)
        if f.name[0] != "_"
    ]
    if not any(what for _, _, what in rows):
        return ""
    return markdown_table([["field", "default", ""], *rows])


def shown(documented):
    "Markdown of a name; nbdev's italics go, which end with the first line of a sentence that has two."
    text = documented._repr_markdown_().removeprefix("---").strip()
    return re.sub(r"^\*(.+)\*$", r"\1", text, count=1, flags=re.M)


def quarto_yml(every, root=ROOT):
    "What Quarto reads: the repository's _quarto.yml, with the sidebar of these pages."
    import yaml

    config = yaml.safe_load((root / "_quarto.yml").read_text(encoding="utf-8"))
    config.pop("metadata-files", None)  # nbdev's, for its own commands
    config["project"]["output-dir"] = "_docs"

    def listed(entry):
        if isinstance(entry, Section):
            return {"section": entry.name, "contents": [listed(e) for e in entry.entries]}
        text, page = entry
        return {"href": page.target, "text": text}

    config["website"]["sidebar"]["contents"] = [listed(e) for e in sidebar(every)]
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def make(root=ROOT, proc=None, docs=None):
    "Write _proc and _docs; returns the pages."
    proc = proc or root / "_proc"
    docs = docs or root / "_docs"
    every = pages(root)
    here = stamp.address(root)
    for folder in (proc, docs):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(root / "nbs" / "images", folder / "images")
    for page in every:
        if page.target.endswith(".ipynb"):
            nb = notebook_page(page, every, here, root)
            text = json.dumps(for_quarto(nb), indent=1, ensure_ascii=False)
            body = html.notebook(nb)
        elif page.target.startswith("api/"):
            text = api_page(page, every)
            body = html.markdown(text)
        else:
            text = relinked((root / page.source).read_text(encoding="utf-8"), page, every, here, root)
            body = html.markdown(text)
        for folder, name, written in (
            (proc, page.target, text),
            (docs, html_name(page.target), html.framed(body, page, every, here)),
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(written, encoding="utf-8")
    (proc / "_quarto.yml").write_text(quarto_yml(every, root), encoding="utf-8")
    return every


def main(args):
    wrong = links.broken(ROOT)
    if "--links" not in args:
        every = make()
        wrong += links.broken_pages(ROOT / "_docs")
        print(f"{len(every)} pages in _docs")
        if shutil.which("quarto"):
            subprocess.run(["quarto", "render", str(ROOT / "_proc")], check=True)
            shutil.rmtree(ROOT / "_docs")
            shutil.move(ROOT / "_proc" / "_docs", ROOT / "_docs")
            wrong += links.broken_pages(ROOT / "_docs")
        else:
            print("the program quarto is not on PATH: the pages are plain HTML, without search")
    print("\n".join(wrong) or "every link, image and anchor resolves")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
