"""What a learner does with mouse and keyboard, in a real JupyterLab in a real Chromium.

`make chromium` installs what this needs; without it the tests are skipped.

Lesson 01 runs in one page while the panel is tried in another: two kernels on two cores.
"""

import re
import time
from pathlib import Path

import lab
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent
WHY_NOT = lab.missing()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
LESSON, PANEL, UPDATES = "nbs/lessons/01_fine_tuning.ipynb", "panel.ipynb", 200
# points of a colour in a picture: fewer where its run is not drawn, more where it is, though later lines lie over it
ABSENT = 20
DRAWN = 100
CELLS = [
    """import os
from ftcourse.core.hparams import HyperParams
from ftcourse.course.widgets.panel import SHOWN, TrainingPanel
print("kernel", os.getpid())
panel = TrainingPanel("reviews", "tiny-bert", rows=32, run="runs", names=[*SHOWN, "max_steps"],
                      hp=HyperParams(lr=5e-4, batch_size=4, epochs=1000, max_steps=5000, eval_every=50))
panel""",
    "'the copied cell goes here'",
]
END = """from ftcourse.course.practice.progress import progress
assert ex1.answer.__module__ == "__main__", "the folded cells behind the lesson have not run"
print(progress()); print('THE', 'END')"""
PIXELS = """([picture, colours]) => {                        // how many points of a picture have each of some colours
    const canvas = document.createElement('canvas'), image = picture
    canvas.width = image.naturalWidth; canvas.height = image.naturalHeight
    const brush = canvas.getContext('2d'); brush.drawImage(image, 0, 0)
    const data = brush.getImageData(0, 0, canvas.width, canvas.height).data, found = colours.map(() => 0)
    for (let i = 0; i < data.length; i += 4) colours.forEach((c, k) => {
        if (c.every((v, j) => Math.abs(v - data[i + j]) < 12)) found[k]++ })
    return found }"""


def write(path, sources):
    "A notebook of code cells."
    kernel = {"display_name": "python3", "language": "python", "name": "python3"}
    cells = [new_code_cell(source) for source in sources]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A course folder with lesson 01 and a notebook with a panel, and a browser: open(notebook) gives a page.

    Progress and caches are the test's own.
    """
    root, state = tmp_path_factory.mktemp("course"), tmp_path_factory.mktemp("jupyter")
    lesson = nbformat.read(ROOT / LESSON, as_version=4)
    for cell in lesson.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    lesson.cells += [new_markdown_cell("## The end"), new_code_cell(END)]  # a heading ends what is folded
    (root / LESSON).parent.mkdir(parents=True)
    nbformat.write(lesson, root / LESSON)
    (root / "settings.ini").write_text((ROOT / "settings.ini").read_text(encoding="utf-8"), encoding="utf-8")
    write(root / PANEL, CELLS)
    mine = dict(
        FTCOURSE_CACHE=str(state / "cache"),
        FTCOURSE_PROFILE="tiny",
        OMP_NUM_THREADS="1",
        HF_HUB_OFFLINE="1",
        HF_DATASETS_OFFLINE="1",
    )
    with lab.server(root, state, **mine) as url, lab.browser() as window:
        yield lambda notebook: lab.open_notebook(window, url(notebook))


@pytest.fixture(scope="module")
def lesson(desk):
    "Lesson 01, begun."
    page = desk(LESSON)
    lab.run_all(page)
    return page


def test_lesson_01_begins(lesson):
    lab.output(lesson, "lesson 01 · profile tiny").wait_for()


def test_what_stands_behind_the_lesson_is_folded_and_opens_at_a_click(lesson):
    heading = lesson.locator(".jp-MarkdownCell", has=lesson.locator("h2", has_text="Behind the lesson"))
    inside = lesson.locator(".jp-MarkdownCell h3", has_text="How the verbs are made")
    heading.wait_for()
    assert inside.count() == 1
    assert not inside.is_visible()
    heading.locator(".jp-showHiddenCellsButton").click()
    inside.wait_for()
    heading.locator(".jp-collapseHeadingButton").dispatch_event("click")  # in sight only below the pointer
    inside.wait_for(state="hidden")


def status(page, pattern: str):
    "Wait until the panel's line says what is looked for; the match."
    handle = page.wait_for_function(
        """pattern => [...document.querySelectorAll('.jp-OutputArea-output p[role]')]
            .map(p => p.textContent.match(new RegExp(pattern))).find(Boolean)""",
        arg=pattern,
        polling=50,
    )
    return handle.json_value()


def update(page, beyond: int = 0) -> int:
    "Wait for an update later than `beyond`, or for the end; its number."
    while (n := int(status(page, r"(?:update|finished after) (\d+) ")[1])) <= beyond:
        pass
    return n


def picture(page):
    "The panel's picture, once it has loaded."
    image = page.locator(".jp-OutputArea-output img.widget-image").first
    image.wait_for()
    return image


def curves(page, runs: int) -> list[int]:
    "Wait until the picture has lines in the colours of so many runs; points in the colours of the first three."
    from ftcourse.course.plots import COLOURS

    rgb = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in COLOURS[:3]]
    count = f"(image, colours) => image.decode().then(() => ({PIXELS})([image, colours]))"
    end = time.monotonic() + lab.PATIENCE / 1000
    while True:
        found = picture(page).evaluate(count, rgb)
        if min(found[:runs]) >= DRAWN:
            return found
        assert time.monotonic() < end, found
        page.wait_for_timeout(100)


def answer(page, name: str, said: str):
    "Press a button: (what the panel then says, seconds until it does)."
    began = time.monotonic()
    lab.button(page, name).click()
    return status(page, said), time.monotonic() - began


def stop_and_resume(page, tries: int = 4) -> None:
    """Stop shows within a second, where a button that only says something shows at once.

    Load makes both slower, never faster: so a few tries, and the best counts.
    """
    late = []
    for _ in range(tries):
        _, plain = answer(page, "Compare", "there is no other finished run")
        before = update(page)
        stopped, took = answer(page, "Stop", r"run 1 stopped.* after (\d+) updates")
        late.append(took - plain)
        print(f"Stop showed after {took:.2f} s, an answer after {plain:.2f} s")
        status(page, rf"run 1 stopped; Resume goes on after {stopped[1]} updates")
        assert before <= int(stopped[1]) < 5000
        enabled(page, "Run")
        if late[-1] < 1:
            break
        resume(page, int(stopped[1]))
    else:
        raise AssertionError(late)
    resume(page, int(stopped[1]))
    lab.button(page, "Stop").click()
    status(page, "run 1 stopped; Resume goes on")


def enabled(page, name: str) -> None:
    """Wait until a button can be pressed: the line above it and the button are two messages from the kernel, and may
    come one after the other.
    """
    page.wait_for_function(
        "name => [...document.querySelectorAll('.jupyter-button')].some(b => b.innerText.trim() == name && "
        "!b.disabled)",
        arg=name,
    )


def resume(page, after: int) -> None:
    "By keyboard: it goes on where it was."
    lab.button(page, "Resume").focus()
    page.keyboard.press("Enter")
    assert update(page, after) > after


def finish(page, number: int):
    "Run to the end; the score and its interval."
    lab.button(page, "Run").click()
    return status(page, rf"run {number} finished after {UPDATES} updates\. accuracy (\S+) \((\S+) to (\S+)\)")


def test_a_run_is_watched_stopped_resumed_compared_copied_and_outlives_its_kernel(desk):
    page = desk(PANEL)
    lab.run_all(page)
    lab.button(page, "Run").wait_for()
    # training starts, the curve grows, Stop and Resume
    lab.button(page, "Run").click()
    seen, before = update(page), picture(page).get_attribute("src")
    assert update(page, seen) > seen
    page.wait_for_function(
        "before => document.querySelector('.jp-OutputArea-output img.widget-image').src != before", arg=before
    )
    stop_and_resume(page)
    assert curves(page, 1)[1] < ABSENT
    # a second run lies over the first
    steps = page.locator(".widget-hbox", has_text=re.compile("^max_steps")).locator("input").last
    steps.fill(str(UPDATES))
    second = finish(page, 2)
    assert float(second[2]) <= float(second[1]) <= float(second[3])
    page.wait_for_function("() => document.querySelector('.progress-bar').style.width == '100%'")
    assert curves(page, 2)[2] < ABSENT
    # a slider moves by keyboard
    page.locator(".widget-hbox", has_text=re.compile("^lr")).locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.jp-OutputArea-output input')].some(i => i.value == '0.00063')"
    )
    finish(page, 3)
    curves(page, 3)
    page.wait_for_function(
        "() => document.querySelector('.jp-OutputArea-output table').innerText.includes('lr=0.00063')"
    )
    answer(page, "Compare", r"run 3 \S+, run 2 \S+; difference \S+ \(\S+ to \S+\), p = ")
    # the copied cell makes the run again
    lab.button(page, "Code").click()
    page.wait_for_function(
        "() => document.querySelector('.jp-OutputArea-output textarea')?.value.includes('lr=0.00063')"
    )
    code = page.locator(".jp-OutputArea-output textarea").first.input_value()
    same = (
        "print('SAME' if all((a == b).all() for a, b in zip(tuned.network.state_dict().values(), "
        "panel.model(3).network.state_dict().values())) else 'DIFFERENT')"
    )
    lab.retype(page, lab.cell(page, "the copied cell"), f"{code}\n{same}")
    assert "SAME" in lab.output(page, "SAME").or_(lab.output(page, "DIFFERENT")).inner_text()
    restart(page, second)


def restart(page, second) -> None:
    "A fourth run is cut off with its kernel; the next kernel lists all four and goes on with the last."
    page.locator(".widget-hbox", has_text=re.compile("^max_steps")).locator("input").last.fill(str(2 * UPDATES))
    lab.button(page, "Run").click()
    update(page, 50)  # after the first checkpoint
    old = page.locator(".jp-OutputArea-output", has_text="kernel ").first.inner_text()
    lab.restart_and_run_all(page)
    page.wait_for_function(
        "old => { const now = [...document.querySelectorAll('.jp-OutputArea-output')].map(o => "
        "o.innerText.trim()).find(t => t.startsWith('kernel ')); return now && now != old.trim() }",
        arg=old,
    )
    page.wait_for_function("() => document.querySelectorAll('.jp-OutputArea-output table tr').length == 5")
    table = page.locator(".jp-OutputArea-output table").first.inner_text()
    assert second[1] in table
    assert table.count("finished") == 2
    assert table.count("stopped") == 2
    lab.button(page, "Resume").click()
    assert update(page) > 50
    status(page, rf"run 4 finished after {2 * UPDATES} updates")


def test_lesson_01_runs_whole_and_an_exercise_goes_from_wrong_to_right(lesson):
    lesson.wait_for_function(
        "() => [...document.querySelectorAll('.jp-OutputArea-output')].some(o => o.textContent.includes('THE END') || "
        "o.dataset.mimeType == 'application/vnd.jupyter.error')",
        timeout=6 * lab.PATIENCE,
        polling=500,
    )
    assert re.search(r"lesson 01\b.*\b0 of", lab.output(lesson, "THE END").inner_text())
    ran, there, errors = lab.counts(lesson)
    assert errors == 0
    assert ran == there
    assert there > 20
    stub = "def share_right(predicted, true):\n    return "
    right = "sum(p == t for p, t in zip(predicted, true))"
    here = lab.cell(lesson, "ex1.check(share_right)")
    for answer, said in (
        (right, "You count how many are right"),
        (right + " / len(true)", "✓ 01.1 share_right: right"),
    ):
        lab.retype(lesson, here, f"{stub}{answer}\n\nex1.check(share_right)")
        here.locator(".jp-OutputArea-output", has_text=said).wait_for()
        if "✓" not in said:
            assert "Hint: " in here.locator(".jp-OutputArea-output").first.inner_text()
    lab.cell(lesson, "from ftcourse.course.practice.progress import progress").locator(".cm-content").click()
    lesson.keyboard.press("Shift+Enter")
    lesson.wait_for_function(
        "() => [...document.querySelectorAll('.jp-OutputArea-output pre')].some(p => /lesson 01\\b.*\\b1 "
        "of/.test(p.textContent))",
        polling=100,
    )
