"""One address: `python -m tools.stamp` writes the repository's address, as pyproject.toml has it, wherever it stands;
`--check` fails on drift.

The address is [project.urls] Repository, the branch [tool.nbdev] branch. From them are made the badge and the first
code cell of every lesson, and the links in _quarto.yml, README.md, CONTRIBUTING.md and the home page. By hand, not
exported.
"""

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

from tools import write_whole

ROOT = Path(__file__).resolve().parent.parent
BADGE, FIRST = "c01ab0a0", "c01ab0a1"  # ids of the two stamped cells, the same in every lesson
FIRST_CELL = '''#| hide
# On Colab this installs the course and leaves what Colab ships as it is; elsewhere it does nothing.
import subprocess
import sys

drive = False  # @param {{type: "boolean"}}
profile = "tiny"  # @param ["tiny", "laptop", "gpu"]
if "google.colab" in sys.modules:
    source = "git+{url}@{branch}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", source]
    subprocess.run(pip, check=True)
    from ftcourse.course.colab import start

    start(drive=drive, profile=profile)'''


class Address(NamedTuple):
    "Where the repository is hosted."

    url: str  # https://github.com/owner/name
    branch: str

    @property
    def name(self):
        return self.url.removeprefix("https://github.com/")

    def colab(self, path):
        return f"https://colab.research.google.com/github/{self.name}/blob/{self.branch}/{path}"

    def file(self, path):
        return f"{self.url}/blob/{self.branch}/{path}"

    @property
    def site(self):
        "Where GitHub publishes the repository's pages."
        owner, name = self.name.split("/")
        return f"https://{owner.lower()}.github.io/{name}/"


def address(root=ROOT):
    "The address in pyproject.toml. Raises ValueError for one that Colab cannot open."
    config = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    url = config["project"]["urls"]["Repository"].rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", url):
        raise ValueError(
            f"pyproject.toml: [project.urls] Repository = {url!r} is not https://github.com/owner/name, and Colab "
            "opens nothing else"
        )
    return Address(url, config["tool"]["nbdev"]["branch"])


def lesson(path, nb, here):
    "A lesson's notebook with its badge after the title, and after that the first code cell."
    link = here.colab(f"nbs/lessons/{path.name}")
    badge = {
        "cell_type": "markdown",
        "id": BADGE,
        "metadata": {},
        "source": [f"[![Open in Colab](../images/colab.svg)]({link})"],
    }
    first = {
        "cell_type": "code",
        "execution_count": None,
        "id": FIRST,
        "metadata": {"jupyter": {"source_hidden": True}},
        "outputs": [],
        "source": FIRST_CELL.format(url=here.url, branch=here.branch).splitlines(True),
    }
    others = [c for c in nb["cells"] if c["id"] not in (BADGE, FIRST)]
    return nb | {"cells": [others[0], badge, first, *others[1:]]}


def links(text, here):
    """A text with its links that Colab opens, and its links to the site: every one of them is to this repository.

    Other links to GitHub are left alone, since they may be somebody else's.
    """
    text = re.sub(
        r"https://colab\.research\.google\.com/github/[\w.-]+/[\w.-]+/blob/[\w.-]+/", lambda m: here.colab(""), text
    )
    return re.sub(r"(?<=\[The site\]\()https://[\w-]+\.github\.io/[\w.-]+/", lambda m: here.site, text)


def site(text, here):
    "_quarto.yml with its addresses: every one in it is the repository's."
    text = re.sub(r"https://github\.com/[\w.-]+/[\w.-]+", lambda m: here.url, text)
    return re.sub(r"(?m)^(\s*repo-branch:\s*).*$", lambda m: m[1] + here.branch, text)


def stamped(root=ROOT):
    "{path: text it should hold} of every file that names the address."
    here, found = address(root), {}
    for path in sorted((root / "nbs" / "lessons").glob("[0-9]*.ipynb")):
        nb = lesson(path, json.loads(path.read_text(encoding="utf-8")), here)
        found[path] = json.dumps(nb, indent=1, ensure_ascii=False) + "\n"
    for name, change in (
        ("_quarto.yml", site),
        ("README.md", links),
        ("CONTRIBUTING.md", links),
        ("nbs/index.ipynb", links),
    ):
        if (root / name).exists():
            found[root / name] = change((root / name).read_text(encoding="utf-8"), here)
    return found


def says(path, text):
    "What a file says: of a notebook the cells, not their outputs and counts."
    return (
        [(c["id"], c["cell_type"], "".join(c["source"])) for c in json.loads(text)["cells"]]
        if path.suffix == ".ipynb"
        else text
    )


def drift(root=ROOT):
    return [
        path for path, text in stamped(root).items() if says(path, text) != says(path, path.read_text(encoding="utf-8"))
    ]


def stamp(root=ROOT):
    "Write what `stamped` says; returns the files that changed."
    changed = drift(root)
    for path in changed:
        write_whole(path, stamped(root)[path])
    return changed


def main(args):
    if "--check" not in args:
        lines = [f"stamped {p.relative_to(ROOT)}" for p in stamp()]
        print("\n".join(lines) or "every address is the one in pyproject.toml")
        return False
    wrong = "its address, badge or first cell is not what pyproject.toml says: run `make export`"
    lines = [f"{p.relative_to(ROOT)}: {wrong}" for p in drift()]
    print("\n".join(lines) or "no drift: one address")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
