"""JupyterLab in a real Chromium, for tests/test_browser.py: a server of the test's own on 127.0.0.1, with its own
settings, and the few things a hand does there.

Everything waits for what it wants to see and never for a fixed time: a busy machine makes it slow, not wrong.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

CURE = "`make chromium` installs both"
PATIENCE = 120_000  # milliseconds that anything may take
SETTINGS = {  # of JupyterLab: all cells in the page, wherever they stand; no news, no autosave
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "docmanager-extension/plugin": {"autosave": False},
}


def chromium(driver=None) -> str | None:
    "Path of a Chromium: playwright's own, else one that the system has."
    own = driver and driver.chromium.executable_path
    if own and os.path.exists(own):
        return own
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


def missing() -> str:
    "Why no browser can be driven here, and the cure; empty where one can."
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return f"no playwright in this environment: {CURE}"
    if chromium():
        return ""
    with sync_playwright() as driver:
        return "" if chromium(driver) else f"no Chromium on this machine: {CURE}"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def server(root: Path, state: Path, theme: str = "JupyterLab Light", **env):
    """A JupyterLab that shows the folder `root` and keeps its own things in `state`; yields the address of its file
    tree. It is ended in any case.
    """
    for name, chosen in (SETTINGS | {"apputils-extension/themes": {"theme": theme}}).items():
        file = state / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(chosen), encoding="utf-8")
    port, token = free_port(), secrets.token_hex(16)
    own = dict(
        JUPYTER_CONFIG_DIR="cfg",
        JUPYTER_DATA_DIR="data",
        JUPYTER_RUNTIME_DIR="run",
        IPYTHONDIR="ipython",
        JUPYTERLAB_SETTINGS_DIR="settings",
        JUPYTERLAB_WORKSPACES_DIR="workspaces",
    )
    env = (
        {k: v for k, v in os.environ.items() if k not in ("FTCOURSE_STATIC", "MPLBACKEND", "PYTEST_CURRENT_TEST")}
        | {k: str(state / v) for k, v in own.items()}
        | env
    )
    call = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={root}",
        # should this process be killed:
        "--ServerApp.shutdown_no_activity_timeout=300",
        "--MappingKernelManager.cull_idle_timeout=300",
    ]
    log = state / "server.log"
    with open(log, "w") as heard:
        process = subprocess.Popen(call, env=env, stdout=heard, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        await_server(f"http://127.0.0.1:{port}/api", process, log)
        yield lambda notebook: f"http://127.0.0.1:{port}/lab/tree/{notebook}?reset&token={token}"
    finally:
        process.send_signal(signal.SIGTERM)  # it ends its kernels, then itself
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def await_server(url: str, process, log: Path) -> None:
    import time

    end = time.monotonic() + PATIENCE / 1000
    while True:
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=2).close()
            return
        time.sleep(0.1)


@contextlib.contextmanager
def browser():
    "A Chromium without a window."
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
        window = driver.chromium.launch(executable_path=chromium(driver), args=quiet)
        try:
            yield window
        finally:
            window.close()


def open_notebook(window, url: str, width: int = 1200, height: int = 900):
    "A page with a notebook whose kernel is ready."
    page = window.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    idle(page)  # before this, Run All opens a dialog that blocks
    return page


def idle(page):
    page.wait_for_selector('.jp-StatusBar-TextItem:has-text("| Idle")')


def menu(page, name: str, item: str) -> None:
    "Choose an item of a menu by its whole text."
    page.click(f'.lm-MenuBar-itemLabel:text-is("{name}")')
    page.click(f'.lm-Menu-itemLabel:text-is("{item}")')


def run_all(page) -> None:
    menu(page, "Run", "Run All Cells")


def restart_and_run_all(page) -> None:
    menu(page, "Kernel", "Restart Kernel and Run All Cells…")
    page.click('.jp-Dialog button:has-text("Restart")')


def cell(page, text: str):
    "The first code cell in which a text stands."
    return page.locator(".jp-CodeCell", has=page.locator(".cm-content", has_text=text)).first


def output(page, text: str):
    "Where a text stands among the outputs."
    return page.locator(".jp-OutputArea-output", has_text=text).first


def button(page, name: str):
    return page.locator(".jupyter-button", has_text=re.compile(f"^{name}$")).first


def retype(page, here, code: str) -> None:
    "Replace the code of a cell by hand, and run it with Shift-Enter."
    here.locator(".cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")


def counts(page) -> tuple:
    "(cells that have run, cells that have code, errors shown); what is folded away is left out."
    return tuple(
        page.evaluate("""() => {
        const cells = [...document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell')].filter(
            c => c.querySelector('.cm-content')?.textContent.trim() && c.querySelector('.jp-InputPrompt'))
        return [cells.filter(
                    c => /\\[\\d+\\]/.test(c.querySelector('.jp-InputPrompt').textContent)).length, cells.length,
                document.querySelectorAll('[data-mime-type="application/vnd.jupyter.error"]').length] }""")
    )
