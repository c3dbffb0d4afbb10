"""The defaults on two real sets that nothing was chosen with: `make real`.

Writes measure/other_sets.md and measure/other_sets.json.

Chinese reviews of hotels (ChnSentiCorp), where a quarter of 2,000 rows is scored, and pairs of questions from Quora
(QQP), where 1,000 rows that are not the official split are scored. `fine_tune_model` runs with no argument but the
seed. Beside it stand the simple models that `ftcourse fine-tune` and `simple_models` set beside a model: counted words
(of Chinese, counted letters) and logistic regression, and logistic regression on the frozen vectors; for a pair the
cosine of the two frozen vectors with a threshold, and regression on |u-v| and u*v. Neither set was looked at while the
defaults were chosen. The rows that are trained on differ from seed to seed. A run that was made before is not repeated
(`--fresh` repeats it); `--known` writes what there is.
"""

import argparse
import statistics
import time
import warnings
from dataclasses import dataclass

from common import Runs, described, installed, machine, recipe, save, stamp, table, threads_from
from few_labels import folder_of, options, rows_of
from real import Absent

SETS = {
    "hotel-reviews-zh": "Chinese reviews of hotels: positive or negative?",
    "glue:qqp": "two questions from Quora: do they ask the same?",
}
PLAN = [  # model, set, labels, seeds
    ("mini-bert", "glue:qqp", 128, 5),
    ("mini-bert", "glue:qqp", 512, 5),
    ("mini-bert", "hotel-reviews-zh", 128, 5),
    ("mini-bert", "hotel-reviews-zh", 512, 5),
    ("teacher", "glue:qqp", 128, 3),
    ("teacher", "glue:qqp", 512, 3),
    ("teacher", "hotel-reviews-zh", 128, 3),
]
OURS = "the defaults"
NAMES = {"teacher": "MiniLM", "mini-bert": "mini-bert"}


@dataclass(frozen=True)
class Job:
    model: str
    task: str
    labels: int
    seed: int


def one(job):
    """{score: {way: value}} of one draw of rows, the share of the commonest label, and the CPU seconds of fine-tuning.

    The scores are accuracy and, where it is another, the task's own.
    """
    from ftcourse import evaluate_model, fine_tune_model
    from ftcourse.core.machine import set_threads
    from ftcourse.experiments.simple import simple_models

    set_threads(1)
    warnings.simplefilter("ignore")
    folder, task = folder_of(job.model), rows_of(job.task, job.labels, job.seed)
    began = time.process_time()
    model = fine_tune_model(folder, task, seed=job.seed)
    seconds = time.process_time() - began
    report = evaluate_model(model, task)
    ways = {OURS: report} | {simple.name: simple.report for simple in simple_models(task, folder)}
    found = {score: {way: r[score] for way, r in ways.items()} for score in dict.fromkeys(["accuracy", report.main])}
    return {"scores": found, "guessing": report.majority, "rows": report.rows, "seconds": seconds}


def key(job):
    return (
        f"{job} both scores {stamp(folder_of(job.model))} {installed('torch')} {installed('scikit-learn')} {recipe()}"
    )


def jobs_of():
    jobs = []
    for model, task, n, seeds in PLAN:
        try:
            folder_of(model)
            rows_of(task, n, 0)
        except Absent as e:
            print(f"skipped: {model}, {task}: {e}")
            continue
        jobs += [Job(model, task, n, seed) for seed in range(seeds)]
    return jobs


def spread(values):
    "Mean, and the range where there are several."
    return f"{statistics.mean(values):.3f}" + f" ({min(values):.3f}–{max(values):.3f})" * (len(values) > 1)


def written(record, done):
    parts = [
        "# Two sets that nothing was chosen with",
        f"`make real`. {described(record['machine'])}",
        __doc__.split("\n\n", 2)[2].strip(),
    ]
    behind, cells = [], 0
    for task, about in SETS.items():
        rows = []
        for model, of, n, _ in PLAN:
            wanted = (model, of, n)
            runs = [done[j] for j in sorted(done, key=lambda j: j.seed) if (j.model, j.task, j.labels) == wanted]
            if of != task or not runs:
                continue
            by_score = {}  # {score: {way: its values}}
            for score, ways in runs[0]["scores"].items():
                by_score[score] = {way: [r["scores"][score][way] for r in runs] for way in ways}
            for way in by_score["accuracy"]:
                row = {"model": NAMES[model], "labels": n, "way": way.replace("|", "\\|"), "seeds": len(runs)}
                for score, ways in by_score.items():
                    values = ways[way]
                    row[score] = spread(values)
                row["CPU seconds"] = round(statistics.mean(r["seconds"] for r in runs)) if way == OURS else ""
                rows.append(row)
            for score, ways in by_score.items():
                means = {way: statistics.mean(values) for way, values in ways.items()}
                ours = means.pop(OURS)
                best = max(means, key=means.get)
                cells += 1
                if ours < means[best] - 0.01:
                    behind.append(f"{NAMES[model]}, {task} {n}, {score} {ours - means[best]:+.3f} ({best})")
        if rows:
            of_task = [r for j, r in done.items() if j.task == task]
            said = f"{of_task[0]['rows']:,} rows are scored; always the commonest label has accuracy "
            parts += [f"## {task}: {about}", said + f"{of_task[0]['guessing']:.3f}.", table(rows)]
    if cells:
        said = f"The defaults are ahead of the best simple model, or within .01, in {cells - len(behind)} of {cells} "
        parts.append(said + "scores" + (f"; behind in {'; '.join(behind)}." if behind else "."))
    return "\n\n".join(parts)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options(p)
    p.add_argument("--seeds", type=int, default=5, help="at most so many")
    p.add_argument("--models", nargs="*", help="run these only; the page keeps what is known of the others")
    args = p.parse_args()
    threads_from(args)
    done = Runs("other_sets", one, key, fresh=args.fresh)
    jobs = [j for j in jobs_of() if j.seed < args.seeds and (not args.models or j.model in args.models)]
    done.make("other_sets", jobs, lambda job, r: f"{time.strftime('%H:%M')} {job} {r['scores']}", 1, args.known)
    done |= {job: done.kept[key(job)] for job in jobs_of() if key(job) in done.kept}
    record = {"machine": machine(args.threads)}
    record["runs"] = [[*vars(job).values(), result] for job, result in done.items()]
    save("other_sets", record, written(record, done))


if __name__ == "__main__":
    main()
