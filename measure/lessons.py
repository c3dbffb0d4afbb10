"""What whole lessons cost in this build and in an earlier one: a part of `make bench`.

CPU seconds, of user and system, of a lesson that the runner executes from a fresh kernel, each build with its own
lessons; the builds take turns, lesson by lesson. A lesson of today may hold more than it did then. Lessons that the
earlier build did not have are left out.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from common import table, verdict
from loading import BEFORE, ROOT, earlier_build

AIM = 0.7  # times the earlier build's


def cost(build, lesson):
    "CPU seconds of a lesson of a build, with all processes that it starts. Raises where a cell fails."
    (file,) = sorted(build.glob(f"nbs/lessons/{lesson}_*.ipynb"))
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "ftcourse.course.notebooks", str(file)]
    subprocess.run(command, cwd=build, env=os.environ | {"PYTHONPATH": str(build)}, check=True, capture_output=True)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime, 1)


def lessons(quick=False):
    "Each lesson in both builds -> [{lesson, cpu: {before, now}}]."
    with tempfile.TemporaryDirectory() as folder:
        earlier_build(folder, "ftcourse", "settings.ini", "nbs")
        there = [{f.name[:2] for f in (build / "nbs" / "lessons").glob("[0-9]*")} for build in (Path(folder), ROOT)]
        names = sorted(set.intersection(*there))
        found = []
        for lesson in names[1:2] if quick else names:
            cpu = {arm: cost(Path(build), lesson) for arm, build in (("before", folder), ("now", ROOT))}
            found.append({"lesson": lesson, "cpu": cpu})
            print(f"  lesson {lesson}: {cpu}", flush=True)
    return found


def lessons_written(found):
    "The records as Markdown."
    before, now = (sum(x["cpu"][arm] for x in found) for arm in ("before", "now"))
    rows = [
        {"lesson": x["lesson"], f"{BEFORE}, CPU s": f"{x['cpu']['before']:.0f}", "now": f"{x['cpu']['now']:.0f}"}
        for x in found
    ]
    missing = sorted({f"{n:02}" for n in range(1, 19)} - {x["lesson"] for x in found})
    return [
        "## Lessons",
        re.sub(r"\s+", " ", __doc__.split("\n\n")[1]).strip(),
        table(rows),
        f"Together {before:.0f} and {now:.0f} s: {now / before:.2f} times; aim {AIM} {verdict(now / before <= AIM)}."
        + (f" Not measured in this run: {', '.join(missing)}." if missing else ""),
        "Why: a training takes about .7 of the CPU time that it took (our loop was 2.1 times the Trainer's speed with "
        "the tiny encoder, and is 2.9 times), and the lessons of today train more. Claims that did not stand on three "
        "seeds got five to ten; 01, 08 and 09 train mini-bert or a distilled student beside tiny-bert.",
    ]
