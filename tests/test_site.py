"""The site, without Quarto: every page can be made, every link leads somewhere; workflows call make; every picture has
its labels.
"""

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from tools import stamp
from tools.site import build, html, links, pages

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "nbs" / "lessons").glob("[0-9]*.ipynb"))
NOTEBOOKS = [*LESSONS, *sorted((ROOT / "nbs" / "toolkit").glob("[!.]*.ipynb"))]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
EVERY, HERE = pages.pages(), stamp.address()
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
named = {"ids": lambda p: p.stem}


def code(path):
    return [
        (c["id"], "".join(c["source"]), c["metadata"])
        for c in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if c["cell_type"] == "code"
    ]


def test_every_link_image_and_anchor_resolves():
    assert links.broken(ROOT) == []


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "nbs").mkdir()
    (tmp_path / "nbs" / "a.ipynb").write_text(
        json.dumps(
            {
                "cells": [
                    {
                        "cell_type": "markdown",
                        "source": ["## One thing\n", "[up](../a.md#what-is-this) [down](b.ipynb) ![](images/none.png)"],
                    }
                ]
            }
        )
    )
    (tmp_path / "a.md").write_text(
        "# What *is* `this`?\n[here](#what-is-this) [there](nbs/a.ipynb#one-thing) [x](#no-such) [y](nbs/a.ipynb#two) "
        "<a href='none.md'>z</a>\n"
        "[good](https://example.org/x) [bad](https://nowhere) "
        "[worse](htps://example.org)\n`[code](none)`\n```\n[code](none)\n```\n[out](../outside.md)\n"
    )
    (tmp_path.parent / "outside.md").write_text("x")
    said = links.broken(tmp_path)
    expected = [
        "nbs/a.ipynb: b.ipynb does",
        "nbs/a.ipynb: images/none.png does",
        "a.md: #no-such",
        "a.md: nbs/a.ipynb#two",
        "a.md: none.md",
        "a.md: https://nowhere is",
        "a.md: htps:",
        "a.md: ../outside.md lies",
    ]
    assert len(said) == len(expected), said
    assert all(any(s.startswith(e) for s in said) for e in expected), said


def test_a_broken_page_is_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h2 id="x">X</h2><a href="b.html#y">1</a><a href="b.html#z">2</a><a href="#x">3</a><a href="#w">4</a><img '
        'src="none.png"><img src="data:image/png;base64,xx">'
    )
    (tmp_path / "b.html").write_text('<h2 id="y">Y</h2><a href="c.html">5</a><a href="https://example.org">6</a>')
    assert [s.split(": ", 1)[1].split(" ")[0].rstrip(":") for s in links.broken_pages(tmp_path)] == [
        "b.html#z",
        "#w",
        "none.png",
        "c.html",
    ]


def test_everything_has_a_page():
    made = {p.source for p in EVERY}
    assert made >= {
        p.relative_to(ROOT).as_posix()
        for p in [
            *NOTEBOOKS,
            *(ROOT / "nbs").glob("*.ipynb"),
            *(ROOT / "measure").glob("*.md"),
            ROOT / "CONTRIBUTING.md",
        ]
    }
    assert {p.title for p in EVERY if p.target.startswith("api/")} >= {
        "losses.supervised",
        "train.loop",
        "recipes",
        "tasks.qa",
        "core.settings",
    }
    assert len({p.target for p in EVERY}) == len(EVERY)
    config = yaml.safe_load(build.quarto_yml(EVERY))

    def hrefs(entries):
        for entry in entries:
            yield from hrefs(entry["contents"]) if "contents" in entry else [entry["href"]]

    assert sorted(hrefs(config["website"]["sidebar"]["contents"])) == sorted(p.target for p in EVERY)
    assert config["website"]["search"] is True
    assert config["project"]["type"] == "website"


@pytest.mark.parametrize("path", NOTEBOOKS, **named)
def test_a_page_shows_code_folds_answers_and_hides_machinery(path):
    page = next(p for p in EVERY if p.source == path.relative_to(ROOT).as_posix())
    cells = build.notebook_page(page, EVERY, HERE)["cells"]
    front = yaml.safe_load(cells[0]["source"].strip("-\n"))
    assert cells[0]["cell_type"] == "raw"
    assert front["title"]
    assert path.parent.name != "lessons" or front["description"]
    sources = {c["id"]: c["source"] for c in cells if c["cell_type"] == "code"}
    assert not any(s.startswith("#|") for s in sources.values())
    assert "google.colab" not in "".join(s for i, s in sources.items() if i == stamp.FIRST)
    kept = {
        i
        for i, s, _ in code(path)
        if re.search(r"^(?!#\|)\s*\S", s, re.M) and not re.match(r"#\|\s*(hide|default_exp)", s)
    }
    assert set(sources) == kept, "cells lost or added"
    folds = {c["id"]: c["metadata"]["fold"] for c in cells if "fold" in c["metadata"]}
    assert {
        i
        for i, s, m in code(path)
        if i in kept and (m.get("jupyter", {}).get("source_hidden") or re.match(r"#\|\s*test", s))
    } == set(folds)
    for_quarto = {c["id"]: c["source"] for c in build.for_quarto({"cells": cells})["cells"]}
    for i, summary in folds.items():
        options = yaml.safe_load("\n".join(line[3:] for line in for_quarto[i].splitlines() if line.startswith("#| ")))
        assert options == {"code-fold": True, "code-summary": summary}
        assert for_quarto[i].endswith(sources[i])


def test_a_lesson_and_a_module_become_html(tmp_path):
    picked = [
        p
        for p in EVERY
        if p.target
        in (
            "lessons/06_the_loss.ipynb",
            "api/losses.supervised.md",
            "api/core.hparams.md",
            "contributing.md",
            "measure/aims.md",
        )
    ]
    made = {}
    for page in picked:
        if page.target.endswith(".ipynb"):
            body = html.notebook(build.notebook_page(page, EVERY, HERE))
        elif page.target.startswith("api/"):
            body = html.markdown(build.api_page(page, EVERY))
        else:
            body = html.markdown(build.relinked((ROOT / page.source).read_text(encoding="utf-8"), page, EVERY, HERE))
        made[page.target] = html.framed(body, page, EVERY, HERE)
        out = tmp_path / pages.html_name(page.target)
        out.parent.mkdir(exist_ok=True)
        out.write_text(made[page.target], encoding="utf-8")
    lesson, api = made["lessons/06_the_loss.ipynb"], made["api/losses.supervised.md"]
    assert "<h1>The loss</h1>" in lesson
    assert "data:image/png" in lesson
    assert "<summary>Solution</summary>" in lesson
    assert "#| " not in re.sub(r"<nav>.*</nav>|<code>#\| export</code>", "", lesson)  # prose may name a directive
    assert 'id="cross_entropy"' in api
    assert "(..., classes)" in api
    assert "../lessons/06_the_loss.html" in api
    missing = [
        s
        for s in links.broken_pages(tmp_path)
        if not any(
            re.sub(r"#\S+", "", s).endswith(f"{Path(pages.html_name(p.target)).name} does not exist") for p in EVERY
        )
        and "images/" not in s
    ]
    assert missing == []  # links to pages that this test did not make are the only ones that miss


def test_a_drawing_is_on_the_page_as_svg_with_its_alt_text():
    from ftcourse.course.drawings import course_map

    cells = build.notebook_page(EVERY[0], EVERY, HERE)
    body = html.notebook(cells)
    # nbconvert sorts the attributes
    drawn = re.search(r"<svg [^>]*>.*?</svg>", body, re.S)[0]
    assert f'<desc id="drawing-map-about">{course_map().alt}</desc>' in drawn
    assert re.findall(r"<text [^>]*>.*?</text>", drawn, re.S)[1].endswith(">Foundations</text>")
    assert "No description has been provided" not in body
    source = next(c["source"] for c in build.for_quarto(cells)["cells"] if "course_map()" in c["source"])
    options = yaml.safe_load("\n".join(line[3:] for line in source.splitlines() if line.startswith("#| ")))
    assert options == {"fig-alt": course_map().alt}


@pytest.mark.parametrize(
    "module", ["losses.supervised", "metrics.scores", "core.hparams", "train.schedule", "tasks.base"]
)
def test_every_promised_name_is_on_the_page_of_its_module(module):
    import importlib

    text = build.api_page(next(p for p in EVERY if p.title == module), EVERY)
    assert [n for n in importlib.import_module(f"ftcourse.{module}").__all__ if f"\n## {n}\n" not in text] == []
    if module == "core.hparams":
        assert "| `epochs` | `None` | times that every training row is seen; None:" in text


def test_links_are_those_of_the_site():
    lesson, home, measured = (
        next(p for p in EVERY if p.target == t) for t in ("lessons/06_the_loss.ipynb", "index.ipynb", "measure/aims.md")
    )

    def relinked(text, page):
        return build.relinked(text, page, EVERY, HERE)

    assert relinked("[a](07_training_loop.ipynb#the-loop)", lesson) == "[a](07_training_loop.ipynb#the-loop)"
    assert relinked("![a](../images/colab.svg)", lesson) == "![a](../images/colab.svg)"
    assert relinked("[a](../../CONTRIBUTING.md)", lesson) == "[a](../contributing.md)"
    assert relinked("[a](../measure/aims.md)", home) == "[a](measure/aims.md)"
    assert (
        relinked("[a](../settings.ini) `[b](../settings.ini)`", home)
        == f"[a]({HERE.file('settings.ini')}) `[b](../settings.ini)`"
    )
    assert relinked("[a](aims.py)", measured) == f"[a]({HERE.file('measure/aims.py')})"


@pytest.mark.parametrize("path", WORKFLOWS, **named)
def test_a_workflow_calls_make_and_nothing_else(path):
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.M))
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    assert all(("run" in step) != ("uses" in step) for step in steps)
    assert all("timeout-minutes" in job for job in jobs.values())
    runs = [re.fullmatch(r"make ([a-z]+)((?: [A-Z]+=\S+)*)", step["run"]) for step in steps if "run" in step]
    assert runs
    assert all(runs)
    assert {hit[1] for hit in runs} <= targets
    assert all(re.fullmatch(r"(actions|quarto-dev)/[\w./-]+@v\d+", step["uses"]) for step in steps if "uses" in step)


def test_the_workflows_are_there_and_cover_the_promised_pythons():
    import tomllib

    from packaging.specifiers import SpecifierSet

    assert [p.stem for p in WORKFLOWS] == ["newest", "site", "test"]
    test, newest, site = (
        yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))
        for name in ("test", "newest", "site")
    )
    promised = SpecifierSet(
        tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    )
    assert test["jobs"]["test"]["strategy"]["matrix"]["python"] == [
        f"3.{n}" for n in range(8, 30) if f"3.{n}" in promised
    ]
    ran = {
        name: {step["run"].split()[1] for job in w["jobs"].values() for step in job["steps"] if "run" in step}
        for name, w in (("test", test), ("newest", newest), ("site", site))
    }
    assert "test" in ran["test"]
    assert ran["newest"] == {"newest", "colab"}
    assert ran["site"] == {"site"}
    assert newest[True]["schedule"]  # YAML reads `on` as true


@pytest.mark.parametrize("path", LESSONS, **named)
def test_every_picture_has_labels_and_is_told_apart_in_grey(path):
    for name, source, _ in code(path):
        drawn = (
            sum(isinstance(n, ast.Call) and getattr(n.func, "id", "") == "axes" for n in ast.walk(ast.parse(source)))
            if "axes(" in source
            else 0
        )
        if not drawn:
            assert not re.search(r"plt\.(subplots|figure|plot)\(", source) or "COLOURS" not in source, (
                f"{name}: take axes(…) of ftcourse.course.plots"
            )
        elif not source.startswith("#| export"):
            assert re.search(r"\bxlabel\b|set_xlabel", source), f"{name}: an axis without its label"
            assert re.search(r"\bylabel\b|set_ylabel|yticklabels", source), f"{name}: an axis without its label"
        used = re.sub(r"^\s*(from|import) .*", "", source, flags=re.M)
        several = len(set(re.findall(r"COLOURS\[(\d)\]", used))) > 1 or re.search(r"\bCOLOURS\b(?!\[\d\])", used)
        if drawn and several:
            assert re.search(r"\bLINES\b|\bMARKERS\b|\bls=|linestyle|\bmarker=|hatch=", source), (
                f"{name}: several colours, and nothing else that tells them apart"
            )
