"""Run notebooks from a fresh kernel: `python -m ftcourse.course.notebooks [NOTEBOOK ...] [--save] [--jobs N]`.

By hand, not exported.

Prints a table of seconds and peak memory; fails when a cell raises or when a notebook executed no cell. `--save` writes
the outputs back, cleaned of metadata. `--jobs N` runs N notebooks side by side, each with one thread (the built-in
models are too small to gain from two): sooner done, but the seconds are then those of a busy machine.
"""

# nbclient, and `clean_nb` of nbdev, which is here anyway. papermill runs nbclient too, but knows no peak of memory and
# no notebook that was edited meanwhile; nbstripout strips metadata as `clean_nb` does, but no bars, cut streams or
# paths in outputs that are kept. Both would stand beside this file, not in its place.

import ast
import os
import sys
import time
from pathlib import Path

from ftcourse.core.files import replace_file
from ftcourse.course.story import fold, halves, length

ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT = 90  # seconds that a lesson may take in the tiny profile
PROSE = "glossary.ipynb"  # has no code, so there is nothing to run


def run(path, save=False, timeout=600):
    "Execute one notebook -> dict(notebook, cells, seconds, mib, error, story)."
    import nbformat
    from nbclient import NotebookClient

    nb = nbformat.read(path, as_version=4)
    client = NotebookClient(
        nb,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # it warns on every start that TCP is not encrypted
    )
    cells, error, mib, start = 0, None, 0, time.perf_counter()
    with client.setup_kernel(env=environment()):
        for i, cell in enumerate(nb.cells):
            if cell.cell_type != "code" or not cell.source.strip():
                continue
            if failed := failure(client, cell, i):
                error = f"cell {i} ({cell.id}): {failed}"
                break
            cells += 1
        seconds = time.perf_counter() - start
        if error is None:
            mib = peak_mib(client)
    if save and error is None:
        save_notebook(newest(nb, path), path)
    return dict(
        notebook=path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path),
        cells=cells,
        seconds=seconds,
        mib=mib,
        error=error,
        story=str(length(nb.cells)) if halves(nb.cells)[1] else "",
    )


def failure(client, cell, i):
    "Execute a cell -> what went wrong, or None."
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    cell.outputs = []
    try:
        client.execute_cell(cell, i)
    except CellExecutionError as e:
        return f"{e.ename}: {e.evalue}"
    except CellTimeoutError:
        return f"not done after {client.timeout} s"
    except DeadKernelError:
        return "the kernel died (out of memory?)"


def peak_mib(client):
    "The most memory that the kernel has held."
    from nbformat.v4 import new_code_cell

    probe = new_code_cell("import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)")
    client.nb.cells.append(probe)
    client.execute_cell(probe, len(client.nb.cells) - 1, store_history=False)
    client.nb.cells.pop()
    return int(probe.outputs[0].text) / (2**20 if sys.platform == "darwin" else 1024)


def environment():
    "No network, the tiny profile: what any laptop has."
    return os.environ | {
        "FTCOURSE_PROFILE": os.environ.get("FTCOURSE_PROFILE", "tiny"),
        "FTCOURSE_STATIC": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def newest(ran, path):
    "The notebook as it stands now, with the outputs of the run on the cells that have not been edited since."
    import nbformat

    nb = nbformat.read(path, as_version=4)
    done = {(c.id, c.source): c for c in ran.cells}
    for cell in nb.cells:
        if cell.cell_type == "code" and (cell.id, cell.source) in done:
            cell.outputs = done[cell.id, cell.source].outputs
    return nb


def save_notebook(nb, path):
    "Save a notebook without what changes from run to run and nobody reads."
    import nbformat
    from nbdev.clean import clean_nb

    for cell in nb.cells:
        cell.metadata = nbformat.from_dict(folded(cell.source))
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = join_streams(o for o in cell.outputs if not is_progress_bar(o))
            for o in cell.outputs:
                if "execution_count" in o:
                    o.execution_count = None
                if "text" in o:
                    o.text = without_places(o.text)
                for kind in ("text/plain", "text/html"):
                    if kind in o.get("data", {}):
                        o.data[kind] = without_places(o.data[kind])
    sections = fold(nb.cells)
    clean_nb(nb, clean_ids=True, allowed_cell_metadata_keys=["id", "jp-MarkdownHeadingCollapsed", "jupyter"])
    kernel = {"display_name": "python3", "language": "python", "name": "python3"}
    nb.metadata = nbformat.from_dict({**sections, "kernelspec": kernel})
    with replace_file(path) as new:
        nbformat.write(nb, new)


def is_progress_bar(o):
    "Whether an output is a bar: as text, or as the widget that a notebook gets."
    if o.output_type == "stream":
        return o.name == "stderr" and "%|" in o.text
    return "application/vnd.jupyter.widget-view+json" in o.get("data", {}) and "%|" in o.data.get("text/plain", "")


def join_streams(outputs):
    """Outputs with neighbouring pieces of one stream put together: where a kernel cuts what is printed depends on its
    clock.
    """
    found = []
    for o in outputs:
        if found and o.output_type == found[-1].output_type == "stream" and o.name == found[-1].name:
            found[-1].text += o.text
        else:
            found.append(o)
    return found


def only_imports(source):
    "Whether an exported cell holds a module's docstring and imports, and nothing else."
    if not source.startswith("#| export"):
        return False
    body = ast.parse(source).body
    return bool(body) and all(
        isinstance(n, (ast.Import, ast.ImportFrom)) or isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)
        for n in body
    )


def folded(source):
    """Metadata of a cell: where an exercise's answers stand, what only Colab needs, and the imports of a module that is
    exported, JupyterLab shows the cell folded.
    """
    answers = source.startswith("#| test_setup") and "Exercise(" in source
    hidden = source.startswith("#| hide") or answers or only_imports(source)
    return {"jupyter": {"source_hidden": True}} if hidden else {}


def without_places(text):
    "Output without the folders of the machine it was made on."
    import re
    import tempfile

    text = text.replace(f"{ROOT}{os.sep}", "").replace(str(Path.home()), "~")
    return re.sub(re.escape(tempfile.gettempdir()) + r"/(tmp|ipykernel_)\w+/?", "", text)


def options(args):
    import argparse

    p = argparse.ArgumentParser(
        prog="python -m ftcourse.course.notebooks", description="Run notebooks from a fresh kernel."
    )
    p.add_argument("notebooks", nargs="*", type=lambda a: Path(a).resolve())
    p.add_argument("--save", action="store_true", help="write the outputs back")
    p.add_argument("--jobs", type=int, default=1, help="notebooks at a time")
    return p.parse_args(args)


def results(paths, save, jobs):
    "What each run gave, in the order in which the runs end; the largest notebooks begin first."
    from concurrent.futures import ProcessPoolExecutor, as_completed

    if jobs < 2:
        yield from (run(p, save) for p in paths)
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(jobs) as pool:
        largest_first = sorted(paths, key=lambda p: p.stat().st_size, reverse=True)
        for done in as_completed([pool.submit(run, p, save) for p in largest_first]):
            yield done.result()


def main(args):
    given = options(args)
    paths = given.notebooks or sorted(p for p in (ROOT / "nbs").rglob("[!.]*.ipynb") if p.name != PROSE)
    paths = [p for p in paths if ".ipynb_checkpoints" not in p.parts]
    rows, wrong, start = [], [], time.perf_counter()
    print(f"{'notebook':<44} {'cells':>5} {'seconds':>8} {'peak MiB':>9}", flush=True)
    for r in results(paths, given.save, given.jobs):
        rows.append(r)
        print(
            f"{r['notebook']:<44} {r['cells']:>5} {r['seconds']:>8.1f} {r['mib']:>9.0f}"
            + (f"   FAILED at {r['error']}" if r["error"] else f"   {r['story']}".rstrip()),
            flush=True,
        )
        if r["error"]:
            wrong.append(f"{r['notebook']}: {r['error']}")
        elif r["cells"] == 0:
            wrong.append(f"{r['notebook']} executed no cell")
        elif r["seconds"] > LIMIT and given.jobs < 2:
            print(f"   slow: {r['seconds']:.0f} s, over the {LIMIT} s that a lesson may take")
    print(
        f"{'together':<44} {sum(r['cells'] for r in rows):>5} {sum(r['seconds'] for r in rows):>8.1f} "
        f"{max((r['mib'] for r in rows), default=0):>9.0f}"
    )
    if given.jobs > 1:
        print(f"{given.jobs} notebooks at a time: {time.perf_counter() - start:.0f} s by the clock")
    if not rows:
        wrong.append("no notebook found")
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
