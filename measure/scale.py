"""Past one machine, and behind a server: `make scale`.

Writes measure/scale.md from the parts `scale_processes.py`, `scale_streaming.py`, `scale_planner.py`, `scale_law.py`
and `scale_serving.py`. Each is a script of its own, which keeps what it found in a JSON file beside it. `--known` runs
nothing and joins what there is; `--only` names the parts to run.
"""

import argparse
import json
import subprocess
import sys

import scale_processes
import scale_streaming
from common import HERE, described, table, verdict
from scale_serving import written as serving_written

from ftcourse.core.files import write_atomic

PARTS = ("processes", "streaming", "planner", "law", "serving")


def known(part):
    "What a part found, or None."
    file = HERE / f"scale_{part}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def processes(found):
    arms = found["arms"]
    worst = max(abs(a - b) for arm in arms for a, b in zip(arm["losses"], arms[0]["losses"]))
    return [
        "## Several processes",
        described(found["machine"]),
        "The same updates of a 22M BERT by 1, 2 and 4 processes of one thread each, in turns; the calmest round. This "
        "machine has two cores, so four processes share them, and gloo copies through memory.",
        table(scale_processes.scale_processes_rows(arms)),
        f"Losses differ by {worst:.1e} at most; aim 1e-6 {verdict(worst <= 1e-6)}.",
    ]


def streaming(found):
    slope, busy = found["slope"], min(r["busy"] for r in found["sizes"])
    aims = found["aims"]
    return [
        "## Data larger than memory",
        described(found["machine"]),
        *(part.strip() for part in scale_streaming.__doc__.split("\n\n")[1:3]),
        table(scale_streaming.rows()),
        f"The peak grows by {slope:.2%} of the text; aim {aims['slope']:.0%} {verdict(slope <= aims['slope'])}. Cores "
        f"are busy {busy:.0%} of the time while tokens are made, waiting for a core counted in; aim {aims['busy']:.0%} "
        f"{verdict(busy >= aims['busy'])}.",
    ]


def planner(found):
    return [found["lines"][0], described(found["machine"]), *found["lines"][1:]]


def law(found):
    return ["## A scaling law", "On a page of its own: [scale_law.md](scale_law.md)."]


def serving(found):
    first = next(iter(found["machine"].values()))
    loads = ", ".join(f"{name} {m['load'][0]:.1f}" for name, m in found["machine"].items())
    return ["## Serving", described(first), f"Load of the machine before each part: {loads}.", *serving_written(found)]


WRITTEN = dict(processes=processes, streaming=streaming, planner=planner, law=law, serving=serving)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--known", action="store_true", help="run nothing: write what there is")
    p.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="the parts to run")
    args = p.parse_args()
    for part in () if args.known else args.only:
        print(part, flush=True)
        subprocess.run([sys.executable, HERE / f"scale_{part}.py"], check=True)
    lines = ["# Past one machine, and behind a server", "`make scale`."]
    for part, write in WRITTEN.items():
        found = known(part)
        lines += write(found) if found else [f"{part.capitalize()}: not measured yet."]
    write_atomic(HERE / "scale.md", "\n\n".join(lines) + "\n")
    print("wrote measure/scale.md")


if __name__ == "__main__":
    main()
