"""Memory of data larger than memory, and how busy the cores are while it is tokenised: a part of `make scale`.

A table of 0.2, 0.5 and 1 GB is written, streamed, tokenised in one process for each core, and read in shuffled batches,
in a process of its own. The three sizes are tokenised into whole words, which takes a third of the time; 0.2 GB also as
tiny-bert does it. Counted is the memory of that process and its children that belongs to no file. Pages of files
that are mapped into memory are counted apart: the system takes them back where it needs room.

A machine with other work on it gives a process less than a core. So a worker's time is split three ways: it runs, it
waits for a core, or it waits for something else. Busy is the first two, as a share of the time of the pass; what it ran
is told beside it, with the load of the machine.

    python measure/scale_streaming.py          # what is known is not measured again
    python measure/scale_streaming.py --again
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import machine

from ftcourse.core.files import write_atomic

HERE = Path(__file__).resolve().parent
RESULT = HERE / "scale_streaming.json"
RUNS = (  # bytes of text, tokenizer
    (200_000_000, "words"),
    (500_000_000, "words"),
    (1_000_000_000, "words"),
    (200_000_000, "tiny-bert"),
)
AIMS = {"slope": 0.02, "busy": 0.9}
CHILD = """
import sys, time
from itertools import islice
from transformers import AutoTokenizer
from ftcourse.core.settings import assets
from ftcourse.data import Batches, load_task
from ftcourse.data.encode.stored import store_task

def phase(name):
    print(name, time.time(), flush=True)

def words_of(file):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = {f"{n}_token": f"[{n.upper()}]" for n in ("pad", "unk", "cls", "sep", "mask")}
    with open(file, encoding="utf-8") as f:
        words = sorted({w for line in islice(f, 20_000) for w in line.split()})
    vocabulary = {w: i for i, w in enumerate([*names.values(), *words])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)

phase("start")
tiny = assets() / "tiny-bert"
tokenizer = words_of(sys.argv[1]) if sys.argv[2] == "words" else AutoTokenizer.from_pretrained(tiny)
phase("read")
task = load_task(sys.argv[1], stream=True)
phase("tokenise")
found = store_task(task, "train", tokenizer, 128)
phase("order")
batches = Batches(found, 32, seed=0)
for k, start in ((0, 0), (1, len(batches) // 2)):
    for batch in islice(batches.epoch(k, start), 300):
        pass
phase("again")
store_task(load_task(sys.argv[1], stream=True), "train", tokenizer, 128)
phase("end")
print("rows", len(found), len(found.ids), flush=True)
"""


def write_table(path: Path, size: int) -> None:
    "A table with text and label, of at least so many bytes; no two rows are equal."
    from ftcourse.data.world.generator import documents

    texts = [t.replace("\n", " ").replace('"', "") for t in documents(3000, seed=1)]
    rng, written = random.Random(0), 0
    with open(path, "w", encoding="utf-8") as f:
        written += f.write("text,label\n")
        n = 0
        while written < size:
            said = " ".join(rng.choices(texts, k=rng.choice((1, 2, 3, 6))))
            written += f.write(f'"{said} {n}",{"good" if rng.random() < 0.5 else "bad"}\n')
            n += 1


def family(pid: int) -> list[int]:
    "A process and all that it has started."
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += family(int(child))
    except OSError:
        pass
    return found


def memory(pid: int) -> tuple[int, int]:
    "(bytes that belong to no file, bytes of mapped files) of a process."
    try:
        said = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0, 0
    kb = {k: int(v) for k, v in re.findall(r"(Rss\w+):\s+(\d+) kB", said)}
    return 1024 * (kb.get("RssAnon", 0) + kb.get("RssShmem", 0)), 1024 * kb.get("RssFile", 0)


def times(pid: int) -> tuple[float, float]:
    "(seconds that the threads of a process ran, seconds that they waited for a core)."
    ran = waited = 0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            a, b, _ = map(int, (task / "schedstat").read_text().split())
            ran, waited = ran + a, waited + b
    except (OSError, ValueError):
        pass
    return ran / 1e9, waited / 1e9


def watch(child) -> list[dict]:
    "Memory and times of a process and its children, ten times a second, until it ends."
    samples = []
    while child.poll() is None:
        pids = family(child.pid)
        both = [memory(p) for p in pids]
        samples.append(
            {
                "at": time.time(),
                "own": sum(a for a, _ in both),
                "files": sum(b for _, b in both),
                "workers": {p: times(p) for p in pids[1:]},
                "load": os.getloadavg()[0],
            }
        )
        time.sleep(0.1)
    return samples


def measured(size: int, tokenizer: str, folder: Path) -> dict:
    "One run: the file is written and deleted here."
    table = folder / "table.csv"
    write_table(table, size)
    env = os.environ | {
        "FTCOURSE_CACHE": str(folder / "cache"),
        "PYTHONPATH": str(HERE.parent),
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    out = folder / "out.txt"
    with open(out, "w") as f:
        run = [sys.executable, "-W", "ignore", "-c", CHILD, str(table), tokenizer]
        child = subprocess.Popen(run, env=env, stdout=f)
        try:
            samples = watch(child)
        finally:
            child.kill()
            child.wait()
    lines = [x.split() for x in out.read_text().splitlines()]
    if child.returncode:
        raise SystemExit(f"the run on {size:,} bytes ended with {child.returncode}")
    at = {x[0]: float(x[1]) for x in lines if x[0] != "rows"}
    rows, tokens = next((int(a), int(b)) for x, a, b in (y for y in lines if y[0] == "rows"))
    found = {
        "bytes": table.stat().st_size,
        "tokenizer": tokenizer,
        "rows": rows,
        "tokens": tokens,
        "peak": max(s["own"] for s in samples),
        "files": max(s["files"] for s in samples),
        "kept": sum(f.stat().st_size for f in (folder / "cache").rglob("*") if f.is_file()),
    }
    names = ("read", "tokenise", "order", "again", "end")
    for name, after in zip(names, names[1:]):
        here = [s for s in samples if at[name] <= s["at"] < at[after]]
        found[f"peak_{name}"] = max((s["own"] for s in here), default=0)
        found[f"seconds_{name}"] = at[after] - at[name]
    return found | shares([s for s in samples if at["tokenise"] <= s["at"] < at["order"]])


def shares(samples: list[dict]) -> dict:
    "What the workers did while they were all there."
    n = max(len(s["workers"]) for s in samples)
    here = [s for s in samples if len(s["workers"]) == n]
    first, last = here[0], here[-1]
    wall = last["at"] - first["at"]
    change = lambda i: sum(last["workers"][p][i] - first["workers"][p][i] for p in last["workers"]) / (n * wall)
    ran, waited = change(0), change(1)
    return {
        "workers": n,
        "ran": ran,
        "waited": waited,
        "busy": ran + waited,
        "load": sum(s["load"] for s in here) / len(here),
    }


def rows() -> list[dict]:
    "What was found, for the page of the measurements."
    known = json.loads(RESULT.read_text(encoding="utf-8"))["sizes"]
    return [
        {
            "text, GB": f"{r['bytes'] / 1e9:.2f}",
            "rows": f"{r['rows']:,}",
            "tokens of": r["tokenizer"],
            "peak memory, MB": f"{r['peak'] / 1e6:.0f}",
            "while reading, MB": f"{r['peak_read'] / 1e6:.0f}",
            "while tokenising, MB": f"{r['peak_tokenise'] / 1e6:.0f}",
            "in batches, MB": f"{r['peak_order'] / 1e6:.0f}",
            "second call, s": f"{r['seconds_again']:.1f}",
            "cores busy": f"{r['busy']:.0%}",
            "of it running": f"{r['ran']:.0%}",
            "load": f"{r['load']:.1f}",
        }
        for r in known
    ]


def slope(known: list[dict]) -> float:
    "Growth of the peak from the smallest to the largest text, as a share of the text's growth."
    known = [r for r in known if r["tokenizer"] == "words"]
    small, large = min(known, key=lambda r: r["bytes"]), max(known, key=lambda r: r["bytes"])
    return (large["peak"] - small["peak"]) / max(1, large["bytes"] - small["bytes"])


def main() -> None:
    known = []
    if RESULT.exists() and "--again" not in sys.argv:
        known = json.loads(RESULT.read_text(encoding="utf-8"))["sizes"]
    for size, tokenizer in RUNS:
        if any(size <= r["bytes"] < 1.01 * size and r["tokenizer"] == tokenizer for r in known):
            continue
        folder = Path(tempfile.mkdtemp(prefix="streaming_scale_"))
        try:
            found = measured(size, tokenizer, folder)
            known.append(found)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        known.sort(key=lambda r: (r["tokenizer"] != "words", r["bytes"]))
        said = {"machine": machine(1), "aims": AIMS, "slope": slope(known), "sizes": known}
        write_atomic(RESULT, json.dumps(said, indent=1) + "\n")
        print(json.dumps(found), flush=True)
    print(f"slope {slope(known):.2%} of the text's growth; busy {min(r['busy'] for r in known):.0%}")


if __name__ == "__main__":
    main()
