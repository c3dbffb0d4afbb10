"""Plain HTML of a page, without Quarto: nbconvert's cells in a frame with a sidebar. By hand, not exported."""

import html
import json
import os
import re
from functools import cache
from pathlib import Path

from tools.site.links import slug
from tools.site.pages import Section, html_name, sidebar

CELLS = (Path(__file__).parent / "cells.html.j2").read_text(encoding="utf-8")
STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title>
<style>{style}</style>
<script defer src="{math}"></script>
</head>
<body><nav>{side}</nav>
<main>{body}</main></body>
</html>
"""
CURRENT = ' aria-current="page"'
MATH = "https://cdn.jsdelivr.net/npm/mathjax@3/es5/tex-mml-chtml.js"


@cache
def exporter():
    from nbconvert import HTMLExporter

    return HTMLExporter(raw_template=CELLS, template_name="basic")


@cache
def colours():
    from pygments.formatters import HtmlFormatter

    return HtmlFormatter(style="default").get_style_defs(".highlight")


def notebook(nb):
    "Body of a notebook's page."
    front = "".join(nb["cells"][0]["source"]) if nb["cells"] and nb["cells"][0]["cell_type"] == "raw" else ""
    body, part = "", []
    for cell in nb["cells"]:
        if cell["cell_type"] != "raw":
            part.append(cell)
        elif cell["metadata"].get("raw_mimetype") == "text/html":  # nbconvert would close what it opens
            body += rendered(nb, part) + "".join(cell["source"])
            part = []
    return head(front) + as_html_links(body + rendered(nb, part))


def rendered(nb, cells):
    "Some of a notebook's cells as HTML."
    import nbformat

    if not cells:
        return ""
    return exporter().from_notebook_node(nbformat.reads(json.dumps(nb | {"cells": cells}), as_version=4))[0]


def markdown(text):
    "Body of a markdown page."
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    hit = re.match(r"---\n.*?\n---\n", text, re.S)
    front = hit[0] if hit else ""
    return head(front) + as_html_links(markdown2html_mistune(text.removeprefix(front)))


def head(front):
    "Title and promise, from a page's front matter."
    import yaml

    said = yaml.safe_load(front.strip().strip("-")) if front else {}
    return "".join(
        f"<{tag}>{html.escape(said[key])}</{tag}>\n"
        for key, tag in (("title", "h1"), ("description", "blockquote"))
        if said.get(key)
    )


def as_html_links(body):
    "Links between pages lead to .html; headings have the anchors that GitHub and Quarto give them."
    body = re.sub(r'(<a\b[^>]*\bhref=")([^":#]+)\.(?:ipynb|md)(?=["#])', r"\1\2.html", body)
    heading = re.compile(r"<h([1-6])([^>]*)>(.*?)</h\1>", re.S)

    def named(m):
        title = re.sub(r'<a class="anchor-link".*?</a>', "", m[3])
        name = slug(html.unescape(title))
        title = title.replace(f'<a id="{name}"></a>', "").strip()  # written out for JupyterLab, which keeps capitals
        return f'<h{m[1]} id="{name}">{title}</h{m[1]}>'

    return heading.sub(named, body)


def framed(body, page, every, here):
    "A whole page: sidebar, body, style."

    def link(p):
        return os.path.relpath(html_name(p.target), os.path.dirname(page.target) or ".").replace(os.sep, "/")

    def entry(e):
        if isinstance(e, Section):
            inside = "".join(map(entry, e.entries))
            state = " open" if e.name == "Lessons" or CURRENT in inside else ""
            return f"<details{state}><summary>{html.escape(e.name)}</summary>{inside}</details>"
        text, p = e
        mark = CURRENT if p == page else ""
        return f'<a href="{link(p)}"{mark}>{html.escape(text)}</a>'

    return PAGE.format(
        title=html.escape(f"{page.title} · ftcourse"),
        style=f"{STYLE}\n{colours()}",
        math=MATH,
        side="".join(map(entry, sidebar(every))) + f'<a href="{here.url}">Source</a>',
        body=body,
    )
