"""Loading a large table in this build and in an earlier one: a part of `make bench`.

Each load is a process of its own, the builds in turns; CPU seconds do not count the imports,
which a small file pays for.
"""

import csv
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from common import table, verdict

ROOT = Path(__file__).resolve().parents[1]
BEFORE = "5c33c18"  # the build to compare with: the last that looked at every row by itself
AIMS = {"ratio": 3, "bytes_a_row": 40}
SIZES = (100_000, 250_000, 500_000)
ROUNDS = 5
CHILD = """
import json, re, resource, sys, time
from ftcourse.data import load_task

def peak():
    try:
        return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

load_task(sys.argv[1])
before, busy = peak(), time.process_time()
task = load_task(sys.argv[2])
busy = time.process_time() - busy
print(json.dumps({"cpu": busy, "bytes": peak() - before, "rows": {s: len(d) for s, d in task.splits.items()}}))
"""


def generated(n):
    "Rows of 6 to 20 made-up words, none quoted, 3 classes."
    draw = random.Random(0)
    words = [f"w{i}" for i in range(3000)]
    for i in range(n):
        yield " ".join([*draw.choices(words, k=draw.randint(6, 20)), str(i)]), draw.choice(["pos", "neg", "neutral"])


def news(n):
    "Rows of AG News, again and again with another number: most are quoted. Nothing where the sample is absent."
    file = ROOT.parent / "shared" / "data" / "ag_news" / "train_sample.csv"
    if not file.exists():
        return
    with open(file, encoding="utf-8", newline="") as f:
        rows = list(csv.reader(f))
    for i in range(n):
        label, title, text = rows[i % len(rows)]
        yield f"{title}. {text} ({i})", label


def earlier_build(folder, *paths):
    "The earlier build as a folder to import from: the package, or these paths of it."
    command = ["git", "archive", BEFORE, *(paths or ("ftcourse", "settings.ini"))]
    packed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)


def load(build, small, file):
    "One load in a process of its own -> {cpu, bytes above the small file's peak, rows}."
    with tempfile.TemporaryDirectory() as cache:
        env = os.environ | {"PYTHONPATH": str(build), "FTCOURSE_CACHE": cache, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", CHILD, str(small), str(file)]
        done = subprocess.run(command, env=env, cwd=cache, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def loading(quick=False):
    "Both builds on generated and on real rows -> a record for each."
    found = []
    with tempfile.TemporaryDirectory() as before, tempfile.TemporaryDirectory() as folder:
        earlier_build(before)
        builds = {"before": before, "now": ROOT}
        for make in (generated, news):
            sizes = [n // 20 for n in SIZES] if quick else SIZES
            files = {n: Path(folder) / f"{make.__name__}{n}.csv" for n in (2000, *sizes)}
            for n, file in files.items():
                with open(file, "w", encoding="utf-8", newline="") as f:
                    csv.writer(f, lineterminator="\n").writerows([("text", "label"), *make(n)])
            if files[2000].stat().st_size < 100:
                continue  # there is no sample
            small, largest = files.pop(2000), sizes[-1]
            cpu = {arm: [] for arm in builds}
            memory = {arm: {} for arm in builds}
            rows = {}
            for r in range(2 if quick else ROUNDS):
                for arm, build in builds.items():
                    for n in [largest] if r else sizes:  # memory is measured once
                        said = load(build, small, files[n])
                        memory[arm].setdefault(n, said["bytes"])
                    cpu[arm].append(round(said["cpu"], 3))
                    rows[arm] = said["rows"]
            slope = {arm: (m[largest] - m[sizes[0]]) / (largest - sizes[0]) for arm, m in memory.items()}
            line = {
                "data": make.__name__,
                "rows": largest,
                "mib": round(files[largest].stat().st_size / 2**20, 1),
                "cpu": cpu,
                "ratio": round(min(cpu["before"]) / min(cpu["now"]), 2),
                "peak_mib": {arm: {n: round(b / 2**20, 1) for n, b in m.items()} for arm, m in memory.items()},
                "bytes_a_row": {arm: round(x, 1) for arm, x in slope.items()},
                "same_splits": rows["before"] == rows["now"],
            }
            print(f"  load {make.__name__}: {line}", flush=True)
            found.append(line)
    return found


def loading_written(found):
    "The records as Markdown."
    rows = [
        {
            "data": x["data"],
            "rows": f"{x['rows']:,}",
            "MiB": x["mib"],
            f"{BEFORE}, CPU s": f"{min(x['cpu']['before']):.2f}",
            "now": f"{min(x['cpu']['now']):.2f}",
            "times": f"{x['ratio']:.1f}",
            f"{BEFORE}, bytes a row": f"{x['bytes_a_row']['before']:.0f}",
            "bytes a row": f"{x['bytes_a_row']['now']:.0f}",
            "MiB above the small file": ", ".join(f"{m:.0f}" for m in x["peak_mib"]["now"].values()),
        }
        for x in found
    ]
    fast = all(x["ratio"] >= AIMS["ratio"] for x in found)
    flat = all(x["bytes_a_row"]["now"] <= AIMS["bytes_a_row"] for x in found)
    sizes = ", ".join(f"{int(n):,}" for n in found[0]["peak_mib"]["now"])
    return [
        "## Loading a large table",
        re.sub(r"\s+", " ", __doc__.split("\n\n")[1]).strip() + f" The build of {BEFORE} and this one, "
        f"{len(found[0]['cpu']['now'])} rounds, the calmest of each; news is AG News, most of its texts quoted, each "
        f"repeated with another number. Memory is the peak of the process at {sizes} rows; its slope is that "
        "between the first and the last.",
        table(rows),
        f"Aim {AIMS['ratio']} times {verdict(fast)}; aim {AIMS['bytes_a_row']} bytes a row {verdict(flat)}. "
        f"Splits {'are the same' if all(x['same_splits'] for x in found) else '**differ**'}.",
        *([] if fast and flat else [why(found)]),
    ]


def why(found):
    "What the missed aims go back to."
    a_row = ", ".join(f"{x['data']} {x['mib'] * 2**20 / x['rows']:.0f}" for x in found)
    a_mib = {x["data"]: min(x["cpu"]["now"]) / x["mib"] for x in found}
    return (
        f"Why: the aims are by the row, and what is left is by the byte (bytes a row: {a_row}). Under cProfile about "
        "half of our time on news goes into what reads each byte once: Arrow's parsing of quoted fields, the quotes "
        "that are counted to find where a row ends, and the hashes that find rows that stand twice. By the MiB news "
        f"costs {a_mib['news'] / a_mib['generated']:.2f} times the generated file. The earlier build spent its time on "
        "Python objects, of which a long row has no more than a short one."
    )
