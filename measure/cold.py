"""What a process costs that does one thing and ends: a part of `make bench`.

CPU seconds of a whole process: one text predicted by Python and by the command `ftcourse predict`, and the first
training step (`fine_tune_model` on 32 rows, with its validation). The builds take turns. Beside them stands what cannot
be saved: the imports.
"""

import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import table, verdict
from loading import BEFORE, ROOT, earlier_build

AIM = 0.35  # of the earlier build's CPU seconds
ROUNDS = 5
PREDICT = "from ftcourse import load_model; print(load_model({model!r}).predict(['A fine hotel.']))"
STEP = "from ftcourse import fine_tune_model; fine_tune_model('tiny-bert', 'reviews', rows=32, epochs=1, max_steps=1)"
ADAMW = "torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])"
CLI = "import sys; from ftcourse.course.cli.main import main; sys.exit(main())"
FLOORS = {
    "import torch": "import torch",
    "import torch and datasets": "import torch, datasets",
    "import torch, make an AdamW": f"import torch; {ADAMW}",
    "all three": f"import torch, datasets; {ADAMW}",
}


def commands(model):
    "{what is done: its command}."
    script = Path(sys.executable).with_name("ftcourse")
    cli = [str(script)] if script.exists() else [sys.executable, "-c", CLI]
    return {
        "predict, Python": [sys.executable, "-c", PREDICT.format(model=model)],
        "predict, command": [*cli, "predict", model, "A fine hotel."],
        "first training step": [sys.executable, "-c", STEP],
    }


def process_seconds(command, build, folder):
    """CPU seconds of a process with that build, and what it printed.

    It runs in a folder of its own: a bare `-c` looks for modules there first.
    """
    env = os.environ | {"PYTHONPATH": str(build), "FTCOURSE_CACHE": str(folder), "PYTHONWARNINGS": "ignore"}
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=True)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime, done.stdout


def cold(quick=False):
    "Both builds and the imports, in turns -> a record."
    from ftcourse import fine_tune_model

    with tempfile.TemporaryDirectory() as before, tempfile.TemporaryDirectory() as folder:
        earlier_build(before)
        made = fine_tune_model("tiny-bert", "reviews", rows=32, epochs=1)
        model = str(made.save(Path(folder) / "model"))
        what = commands(model)
        tasks = {(name, arm): (c, b) for name, c in what.items() for arm, b in (("before", before), ("now", ROOT))}
        tasks |= {(name, "floor"): ([sys.executable, "-c", code], ROOT) for name, code in FLOORS.items()}
        if quick:  # the command is left out
            for left_out in (("predict, command", "before"), ("predict, command", "now")):
                del tasks[left_out]
        else:
            for command in what.values():  # the earlier build's modules are compiled once
                process_seconds(command, before, folder)
        cpu = {name: {} for name, _ in tasks}
        said = {}
        for _ in range(1 if quick else ROUNDS):
            for (name, arm), (command, build) in tasks.items():
                seconds, said[name, arm] = process_seconds(command, build, folder)
                cpu[name].setdefault(arm, []).append(round(seconds, 3))
    record = {
        "cpu": {name: cpu[name] for name in what if name in cpu},
        "floor": {name: cpu[name]["floor"] for name in FLOORS},
        "same_answers": all(
            said[name, "now"] == said[name, "before"] for name, arm in said if "predict" in name and arm == "now"
        ),
    }
    record["ratio"] = {
        name: {
            "calmest": round(min(x["now"]) / min(x["before"]), 3),
            "median": round(statistics.median(a / b for a, b in zip(x["now"], x["before"])), 3),
        }
        for name, x in record["cpu"].items()
    }
    print(f"  cold: {record['ratio']}", flush=True)
    return record


def cold_written(r):
    "The record as Markdown."
    floor = {name: min(seconds) for name, seconds in r["floor"].items()}
    rows = [
        {
            "process": name,
            f"{BEFORE}, CPU s": f"{min(x['before']):.2f}",
            "now": f"{min(x['now']):.2f}",
            "now ÷ before": f"{r['ratio'][name]['calmest']:.2f} ({r['ratio'][name]['median']:.2f})",
            "above `import torch`": f"{min(x['now']) - floor['import torch']:.2f}",
        }
        for name, x in r["cpu"].items()
    ]
    rows += [{"process": name, "now": f"{seconds:.2f}"} for name, seconds in floor.items()]
    parts = [
        "## Cold processes",
        re.sub(r"\s+", " ", __doc__.split("\n\n")[1]).strip() + f" {len(r['floor']['import torch'])} rounds: the "
        f"calmest of each, in brackets the median of the rounds; before is {BEFORE}.",
        table(rows),
        " ".join(
            f"{name[0].upper()}{name[1:]}: aim {AIM} of {BEFORE} {verdict(x['calmest'] <= AIM)}."
            for name, x in r["ratio"].items()
        )
        + f" Answers are {'the same' if r['same_answers'] else '**different**'}.",
    ]
    torch, missed = floor["import torch"], [name for name, x in r["ratio"].items() if x["calmest"] > AIM]
    for name in missed:
        if "predict" in name:
            before, now = (min(r["cpu"][name][arm]) for arm in ("before", "now"))
            parts.append(
                f"{name[0].upper()}{name[1:]}: `import torch` alone is {torch / before:.2f} of {BEFORE}'s process, and "
                f"{torch / now:.0%} of this one; {now - torch:.2f} s are left for all the rest."
            )
    name = "first training step"
    if name in missed:
        before, now = (min(r["cpu"][name][arm]) for arm in ("before", "now"))
        parts.append(
            f"The first training step imports what it cannot do without: torch ({torch:.2f} s), datasets, which the "
            f"rows are kept in ({floor['import torch and datasets'] - torch:.2f} s more), and torch._dynamo, which "
            f"torch's own optimizers import when one is made "
            f"({floor['import torch, make an AdamW'] - torch:.2f} s more). Together they are {floor['all three']:.2f} "
            f"s, {floor['all three'] / before:.2f} of {BEFORE}'s step and {floor['all three'] / now:.0%} of this one."
        )
    return parts
