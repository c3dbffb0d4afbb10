"""The README's picture: `python -m tools.screenshot` runs lesson 01 in JupyterLab and writes nbs/images/lesson_01.png.

It needs a browser (`make chromium`), and runs a copy of the notebook as it is saved.
"""

import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "nbs" / "images" / "lesson_01.png"
LESSON = "01_fine_tuning.ipynb"
HEADING = "Was it the pretraining?"
SIZE = {"width": 1100, "height": 760}


def main():
    sys.path.insert(0, str(ROOT / "tests"))
    import lab

    with tempfile.TemporaryDirectory() as folder:
        work, state = Path(folder) / "nbs", Path(folder) / "state"
        work.mkdir()
        state.mkdir()
        shutil.copy(ROOT / "nbs" / "lessons" / LESSON, work)
        with lab.server(work, state, PYTHONPATH=str(ROOT)) as address, lab.browser() as window:
            page = lab.open_notebook(window, address(LESSON), **SIZE)
            page.click('[title^="File Browser"], [aria-label^="File Browser"]')  # closes the panel of files
            page.set_default_timeout(600_000)
            lab.run_all(page)
            page.wait_for_selector('.jp-StatusBar-TextItem:has-text("| Busy")')
            # the kernel is idle for a moment between cells too: until no cell waits
            page.wait_for_function("() => !document.body.innerText.includes('[*]:')")
            lab.idle(page)
            heading = page.locator(f'h2:has-text("{HEADING}")').first
            heading.evaluate("h => h.scrollIntoView({block: 'start'})")
            page.wait_for_timeout(2000)  # pictures above it may still move it
            heading.evaluate("h => h.scrollIntoView({block: 'start'})")
            page.wait_for_timeout(500)
            page.screenshot(path=FILE)


if __name__ == "__main__":
    main()
