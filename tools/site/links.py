"""Links: those of the notebooks and markdown files of the repository, and those of built pages.

By hand, not exported.
"""

import json
import os
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

from tools.export import notebooks

CODE = re.compile(r"(^```.*?^```|^~~~.*?^~~~|``.+?``|`[^`\n]+`)", re.S | re.M)
LINK = re.compile(
    r"(?P<before>\]\(\s*<?)(?P<link>[^)\s>]+)|(?P<tag><(?:img|a)\b[^>]*?\b(?:src|href)=[\"'])(?P<link2>[^\"']+)"
)
FIELD = re.compile(r"^\[[^\]]+\]:\s*(\S+)", re.M)


def markdown_of(path):
    "Markdown of a notebook or of a markdown file."
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n\n".join("".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "markdown")


def replaced(text, new):
    "Text in which every link outside of code is `new(link)`."

    def one(m):
        return m["before"] + new(m["link"]) if m["before"] else m["tag"] + new(m["link2"])

    return "".join(part if i % 2 else LINK.sub(one, part) for i, part in enumerate(CODE.split(text)))


def links(text):
    "Every link of a markdown text, code left out."
    found = []

    def seen(link):
        found.append(link)
        return link

    replaced(text, seen)
    return found + FIELD.findall(CODE.sub("", text))


def external(link):
    return bool(urlparse(link).scheme)


def well_formed(link):
    "Whether an address outside of the repository can be one at all. Nothing is fetched."
    url = urlparse(link)
    if url.scheme == "mailto":
        return "@" in url.path
    return url.scheme in ("http", "https") and re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?", url.netloc) is not None


def slug(title):
    "A heading's anchor, as GitHub and Quarto make it."
    text = re.sub(r"<[^>]+>", "", re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title)).strip().lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text))


def anchors(text):
    "Anchors of a markdown text: its headings', and ids in HTML."
    bare = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*#*$", bare, re.M)
    return {*map(slug, headings), *re.findall(r"\bid=[\"']([^\"']+)", bare)}


def sources(root):
    "Files whose links are checked: every notebook, and markdown at the top, in measure and beside the built-in models."
    markdown = [p for place in ("*.md", "measure/*.md", "ftcourse/assets/*/*.md") for p in sorted(root.glob(place))]
    return notebooks(root) + markdown


def broken(root):
    "One sentence for each link of the repository that leads nowhere."
    wrong = []
    anchors_of = cache(lambda path: anchors(markdown_of(path)))  # hundreds of links lead to a few dozen files
    for path in sources(root):
        text = markdown_of(path)
        for link in links(text):
            said = f"{path.relative_to(root).as_posix()}: {link}"
            if external(link):
                if not well_formed(link):
                    wrong.append(f"{said} is no address")
                continue
            file, _, anchor = unquote(link).partition("#")
            target = path.parent / file if file else path
            if not target.exists():
                wrong.append(f"{said} does not exist")
            elif root.resolve() not in [target.resolve(), *target.resolve().parents]:
                wrong.append(f"{said} lies outside of the repository")
            elif anchor and target.suffix in (".md", ".ipynb") and anchor not in anchors_of(target.resolve()):
                wrong.append(f"{said}: no heading there has this anchor")
    return wrong


class Reader(HTMLParser):
    "Links, images and anchors of an HTML page."

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.open = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        self.ids |= {a[k] for k in ("id", "name") if a.get(k)}
        if tag in ("a", "link") and a.get("href"):
            self.links.append(a["href"])
        if tag in ("img", "script", "source", "iframe") and a.get("src"):
            self.links.append(a["src"])


def broken_pages(folder):
    "One sentence for each link, image or anchor of the pages in a folder that leads nowhere."
    read = {p.resolve(): Reader(p.read_text(encoding="utf-8")) for p in sorted(Path(folder).rglob("*.html"))}
    wrong = []
    for path, page in read.items():
        for link in page.links:
            said = f"{path.relative_to(Path(folder).resolve()).as_posix()}: {link[:120]}"
            if link.startswith(("data:", "javascript:")):
                continue
            if external(link) or link.startswith("//"):
                if not well_formed("https:" + link if link.startswith("//") else link):
                    wrong.append(f"{said} is no address")
                continue
            file, _, anchor = unquote(link).partition("#")
            target = Path(os.path.normpath(path.parent / file.split("?")[0])) if file else path
            if target.is_dir():
                target = target / "index.html"
            if not target.exists():
                wrong.append(f"{said} does not exist")
            elif anchor and target in read and anchor not in read[target].ids:
                wrong.append(f"{said}: that page has no such anchor")
    return wrong
