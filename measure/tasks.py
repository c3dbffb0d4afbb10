"""Every task on its real data: `make real`.

Writes measure/tasks.md and measure/tasks.json.

MiniLM (22.7M parameters) is fine-tuned on a few hundred rows of each real data set that is here, over three seeds, and
scored with the task's own metric on rows that nothing was selected on. `guessing` is what always giving the commonest
label of the scored rows gets. Small on purpose: the rows show that each path works on real data and what a laptop gets
in minutes, not what the model can reach. A run that was made before is not repeated (`--fresh` repeats it). A row that
names a model is of that one, with the defaults of `fine_tune_model`: rate and updates by model and rows. By these,
MiniLM and mini-bert read the texts of a pair by themselves and compare their vectors (two towers).
"""

import argparse
import json
import os
import statistics
from dataclasses import dataclass

from common import HERE, Kept, alone, described, installed, machine, recipe, save, stamp, table, threads_from
from real import ENCODER, Absent, find

LR = 1e-4


@dataclass(frozen=True)
class Row:
    name: str  # as `load_task` knows it; with "glue:" from the original files
    rows: int  # to train on
    epochs: int | None  # with the rate `LR`; None: both as the defaults choose
    max_length: int
    about: str  # what is scored, and what to know about it
    also: str = ""  # a second set that the same model is scored on
    seeds: int = 3
    start: str = ""  # the model that is fine-tuned by the defaults; none: MiniLM, with `LR`

    @property
    def title(self):
        return f"{self.name}, {self.start}" if self.start else self.name


ROWS = [
    Row("trec", 500, 3, 64, "six kinds of answer; the official test"),
    Row("trec-fine", 2000, 3, 64, "fifty kinds of answer; the official test; one seed", seeds=1),
    Row(
        "ag-news", 500, 3, 64, "four kinds of news; 1,000 rows of the official test, trained on others of the same file"
    ),
    Row("glue:sst2", 500, 3, 64, "the official dev", also="advglue sst2"),
    Row("glue:cola", 1000, 3, 64, "in-domain and out-of-domain dev together"),
    Row("glue:cola", 1000, None, 64, "in-domain and out-of-domain dev together", start="tiny-bert"),
    Row("glue:cola", 1000, None, 64, "in-domain and out-of-domain dev together", start="mini-bert"),
    *(
        Row(name, 500, None, 96 if name == "glue:rte" else 64, "the official dev", seeds=seeds, start=start)
        for start in ("MiniLM", "mini-bert")
        for name, seeds in (("glue:stsb", 10 if start == "mini-bert" else 5), ("glue:mrpc", 3), ("glue:rte", 3))
    ),
    Row("pubmedqa", 250, 3, 192, "a quarter of the 400 rows; abstracts cut at 192 tokens; one seed", seeds=1),
]

# what no recipe of ours has changed; measured with issue 15's prototypes
COLA = (
    "CoLA, sentences that are grammatical or not, stays between .05 and .13 for MiniLM whatever the recipe: logistic "
    "regression on its frozen vectors gets .05. A sentence encoder was trained to say what a text means, and a wrong "
    "word order means the same: its vectors hold little syntax. The built-in models stand beside it. None of the three "
    "is a model for this task."
)


def task_of(name):
    "The task, with what is scored in `test`. Raises `Absent` where its data are not here."
    from ftcourse import load_task
    from ftcourse.core.errors import CourseError
    from ftcourse.core.settings import data_folder
    from ftcourse.tasks.glue import load_glue

    folder = data_folder()
    if folder is None:
        raise Absent("no data folder: settings.ini (or FTCOURSE_DATA) names one")
    try:
        if name.startswith("glue:"):
            return load_glue(name[5:], folder / "glue")
        return load_task(name, **({"test": 0.25} if name == "pubmedqa" else {}))
    except (CourseError, OSError) as e:
        raise Absent(f"{name}: {e}") from e


def adversarial(task, name):
    "The rows of AdvGLUE for a task: made to be answered wrongly."
    import json

    from ftcourse import load_task
    from ftcourse.core.settings import data_folder

    rows = json.loads((data_folder() / "glue" / "advglue_dev.json").read_text(encoding="utf-8"))[name]
    return load_task(
        {"test": [{"sentence": r["sentence"], "label": task.labels[r["label"]]} for r in rows]},
        text="sentence",
        label="label",
        labels=task.labels,
    )


def run(folder, row, seed, steps):
    "One fine-tuning run -> {score: value} of the test rows."
    from ftcourse import evaluate_model, fine_tune_model
    from ftcourse.core.machine import set_threads

    set_threads()
    task = task_of(row.name)
    model = fine_tune_model(
        folder,
        task,
        rows=min(row.rows, len(task.train)),
        seed=seed,
        epochs=row.epochs,
        lr=LR if row.epochs else None,
        max_length=row.max_length,
        max_steps=steps,
    )
    report = evaluate_model(model, task)
    names = list(task.metrics) or ["accuracy"]
    found = {
        "rows": report.rows,
        "trained_on": min(row.rows, len(task.train)),
        "updates": len(model.history.steps),
        "scores": {n: round(report[n], 4) for n in names},
        "guessing": None if report.majority is None else round(report.majority, 4),
    }
    if row.also:
        other = evaluate_model(model, adversarial(task, row.also.split()[1]))
        found["also"] = {"rows": other.rows, "accuracy": round(other["accuracy"], 4)}
    return found


def measured(folder, row, seeds, steps, known=False):
    kept, runs = Kept("real_tasks"), []
    for seed in range(min(seeds, row.seeds)):
        weights = f"{row.start} {stamp(str(folder))} {recipe()}" if row.start else ENCODER.sha256[:12]
        key = (
            f"{weights} {row.name} {seed} {(row.rows, row.epochs, LR, row.max_length, steps)} "
            f"{installed('torch')} {os.environ['OMP_NUM_THREADS']}"
        )
        if known and key not in kept:
            continue
        if key not in kept:
            kept[key] = alone(run, str(folder), row, seed, steps)
        runs.append(kept[key])
        print(
            f"  {row.title} seed {seed}: {runs[-1]['scores']} on {runs[-1]['rows']} rows, "
            f"{runs[-1]['cpu_seconds']:.0f} CPU seconds, {runs[-1]['peak_mib']} MiB",
            flush=True,
        )
    return runs


def lines_of(row, runs):
    "Lines of the table: one per score, one more for a second set."
    from ftcourse.metrics.intervals import mean_interval

    cost = {
        "CPU seconds per run": round(statistics.mean(r["cpu_seconds"] for r in runs)),
        "peak MiB": max(r["peak_mib"] for r in runs),
    }

    def line(score, values, rows, guessing=None):
        spread = mean_interval(values)[1:] if len(values) > 1 else ""
        return {
            "task": row.title,
            "trained on": runs[0]["trained_on"],
            "scored": rows,
            "seeds": len(values),
            "score": score,
            "mean": statistics.mean(values),
            "95% over seeds": spread,
            "guessing": "" if guessing is None else guessing,
        } | cost

    lines = [
        line(n, [r["scores"][n] for r in runs], runs[0]["rows"], runs[0]["guessing"] if n == "accuracy" else None)
        for n in runs[0]["scores"]
    ]
    if "also" in runs[0]:
        lines.append(line(f"accuracy on {row.also}", [r["also"]["accuracy"] for r in runs], runs[0]["also"]["rows"]))
    return lines


def written(record):
    "The record as Markdown."
    parts = [
        "# Every task on real data",
        f"`make real`. {described(record['machine'])}",
        __doc__.split("\n\n")[1].replace("\n", " "),
    ]
    if record["lines"]:
        parts.append(table(record["lines"]))
    parts.append(
        f"Peak learning rate {LR:g}, batches of 16; "
        + "; ".join(
            f"{r.title}: {f'{r.epochs} epochs' if r.epochs else 'the defaults'}, "
            f"at most {r.max_length} tokens, {r.about}"
            for r in ROWS
        )
        + "."
    )
    parts.append(COLA)
    parts += [f"{names}, added later: {described(m)}" for names, m in record["added"].items()]
    return "\n\n".join(parts + [f"Skipped: {reason}." for reason in record["skipped"]])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seeds", type=int, default=10, help="at most so many of each row")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--only", help="tasks by name, with commas between; nothing is written")
    p.add_argument("--add", metavar="MODEL", help="measure the rows of this model, and add them to measure/tasks.json")
    p.add_argument("--quick", action="store_true", help="one seed, three updates, nothing written: does it run?")
    p.add_argument("--known", action="store_true", help="measure nothing, write what earlier runs found")
    p.add_argument("--fresh", action="store_true", help="forget earlier runs")
    args = p.parse_args()
    threads = threads_from(args)
    if args.fresh:
        Kept("real_tasks").file.unlink(missing_ok=True)
    record = {"machine": machine(threads), "lines": [], "runs": {}, "skipped": [], "added": {}}
    if args.add:  # what an earlier build measured stays as it stands
        record |= json.loads((HERE / "tasks.json").read_text(encoding="utf-8")) | {"lines": [], "skipped": []}
        record["added"][", ".join(r.title for r in ROWS if r.start == args.add)] = machine(threads)
    for row in ROWS:
        if args.only and row.name not in args.only.split(","):
            continue
        if args.add and row.start != args.add:
            if runs := record["runs"].get(row.title):
                record["lines"] += lines_of(row, runs)
            continue
        try:
            folder = find(ENCODER) if row.start in ("", "MiniLM") else row.start
            task_of(row.name)
            runs = measured(folder, row, 1 if args.quick else args.seeds, 3 if args.quick else None, args.known)
            if not runs:
                raise Absent("not measured yet")
            record["runs"][row.title], record["lines"] = runs, record["lines"] + lines_of(row, runs)
        except Absent as e:
            record["skipped"].append(f"{row.title}: {e}")
            print(f"  skipped: {row.title}: {e}")
    print(written(record))
    if record["runs"] and not (args.quick or args.only):
        save("tasks", record, written(record))


if __name__ == "__main__":
    main()
