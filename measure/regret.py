"""What the defaults cost against the best of a small grid, and against simpler and other recipes: `make regret`.

Writes measure/regret.md and measure/regret.json.

A cell is a model, a task and a number of labels. In each, `fine_tune_model` runs with no argument but the seed, and
again with one choice changed: half and twice the rate, half and twice the updates, the other start of the head. Regret
is the mean score of the best of these arms minus that of the defaults. The best is picked on the test rows that are
scored, out of six means that each have noise, so regret is overstated: it is above zero even where all arms are equally
good. Beside them on the same labels stand TF-IDF with logistic regression (C = 10), logistic regression on the frozen
vectors of the same model (C by five-fold cross-validation where each class has five rows, else 2/n), and SetFit with
its own defaults where the package is installed (the extra `regret`). Rows and seeds: measure/few_labels.py. A run
that was made before is not repeated (`--fresh` repeats it); `--known` writes what there is.
"""

import argparse
import statistics
from importlib.util import find_spec

from common import described, machine, save, table, threads_from
from few_labels import BUILT_IN, GRID, REAL, Job, folder_of, make_runs, mean, met, options
from real import Absent

PLAN = [  # model, tasks, labels, seeds
    ("mini-bert", (*REAL, "reviews"), (32, 128, 512), 5),
    ("tiny-bert", BUILT_IN, (32, 128, 512), 5),
    ("tiny-gpt", ("reviews", "topics"), (32, 128, 512), 5),
    ("teacher", tuple(REAL), (32, 128, 512), 5),
]
AIM_MEAN, AIM_WORST = 0.02, 0.05
AIM_RUN = 0.03  # no run of the teacher is so far behind its frozen vectors


def jobs_of(grid_seeds, setfit_seeds=5):
    "Defaults and simple arms of all seeds first, then seed by seed, so that what is cut short is a seed of the grid."
    plain, grid = [], []
    for model, tasks, labels, seeds in PLAN:
        if model == "teacher":
            try:
                folder_of(model)
            except Absent as e:
                print(f"without the teacher: {e}")
                continue
        for task in tasks:
            for n in labels:
                arms = ["defaults", "bag of words", "frozen"]
                plain += [Job(model, task, n, seed, arm) for arm in arms for seed in range(seeds)]
                grid += [Job(model, task, n, seed, arm) for arm in GRID for seed in range(min(seeds, grid_seeds))]
                if model == "teacher" and n <= 128 and find_spec("setfit"):
                    grid += [Job(model, task, n, seed, "SetFit") for seed in range(min(seeds, setfit_seeds))]
    return plain + sorted(grid, key=lambda job: job.seed)


def cells_of(done):
    "{(model, task, labels): {arm: [results, by seed]}}"
    found = {}
    for job in sorted(done, key=lambda j: j.seed):
        found.setdefault((job.model, job.task, job.labels), {}).setdefault(job.arm, []).append(done[job])
    return found


def regret(arms):
    "(regret over the seeds that all arms have, the best arm); None where no arm of the grid was run."
    there = [arm for arm in ("defaults", *GRID) if arm in arms]
    if len(there) < 2:
        return None
    n = min(len(arms[arm]) for arm in there)
    means = {arm: mean(arms[arm][:n]) for arm in there}
    best = max(means, key=means.get)
    return means[best] - means["defaults"], best


def grid_said(arms):
    "How much of the grid a cell's regret stands on."
    there = [arm for arm in GRID if arm in arms]
    n = min(len(arms[arm]) for arm in ("defaults", *there))
    return f"{len(there)} arms, {n} seed{'s' * (n > 1)}"


def bounded(arms):
    "Whether the defaults leave so little to gain that the regret is within its aim, whatever the grid would find."
    return 1 - mean(arms["defaults"]) <= AIM_MEAN


def goes_with_gain(cells, regrets):
    "Spearman's rho of regret and of what the best arm gains over the frozen vectors; None for fewer than 5 cells."
    from scipy.stats import spearmanr

    pairs = []
    for cell, value in regrets.items():
        if "frozen" in cells[cell]:
            n = min(len(runs) for arm, runs in cells[cell].items() if arm in ("defaults", "frozen", *GRID))
            pairs.append((value, value + mean(cells[cell]["defaults"][:n]) - mean(cells[cell]["frozen"][:n])))
    return float(spearmanr(*zip(*pairs)).statistic) if len(pairs) >= 5 else None


def far_behind(versus):
    "Single runs that are more than `AIM_RUN` behind, of how many, by cell."
    found = {f"{model}, {task} {n}": sum(low < -AIM_RUN for low in lows) for _, model, task, n, _, lows in versus}
    some = [f"{count} in {cell}" for cell, count in found.items() if count]
    return f"{sum(found.values())} of {sum(len(v[5]) for v in versus)}" + f" ({'; '.join(some)})" * bool(some)


def written(record, done):
    cells = cells_of(done)
    rows, versus, regrets, seconds, bounds = [], [], {}, [], []
    for (model, task, n), arms in cells.items():
        if "defaults" not in arms:
            continue
        row = {"model": model, "task": task, "labels": n, "defaults": f"{mean(arms['defaults']):.3f}"}
        runs = [r["score"] for r in arms["defaults"]]
        row["lowest–highest"] = f"{min(runs):.3f}–{max(runs):.3f}"
        for arm in ("bag of words", "frozen", "SetFit"):
            row[arm] = f"{mean(arms[arm]):.3f}" if arm in arms else ""
            if arm in arms and len(arms[arm]) < len(runs):
                row[arm] += f" ({len(arms[arm])} seed{'s' * (len(arms[arm]) > 1)})"
        if found := regret(arms):
            regrets[model, task, n] = found[0]
            row |= {"regret": f"{found[0]:.3f}", "best arm": found[1], "grid": grid_said(arms)}
        else:  # no arm can be more than right on every row
            row |= {
                "regret": f"at most {1 - mean(arms['defaults']):.3f}" if bounded(arms) else "",
                "best arm": "",
                "grid": "",
            }
            bounds += [1 - mean(arms["defaults"])] * bounded(arms)
        rows.append(row)
        for arm in ("bag of words", "frozen", "SetFit"):
            if arm in arms:
                k = min(len(arms[arm]), len(arms["defaults"]))
                gap = mean(arms["defaults"][:k]) - mean(arms[arm][:k])
                lows = [d["score"] - o["score"] for d, o in zip(arms["defaults"], arms[arm])]
                versus.append((arm, model, task, n, gap, lows))
        if "SetFit" in arms:
            k = min(len(arms["SetFit"]), len(arms["defaults"]))
            seconds.append(mean(arms["defaults"][:k], "seconds") / mean(arms["SetFit"][:k], "seconds"))
    said = []
    if regrets:
        m, (worst, value) = statistics.mean(regrets.values()), max(regrets.items(), key=lambda x: x[1])
        said.append(
            f"Mean regret {m:.3f} over {len(regrets)} cells: aim {AIM_MEAN} {met(m <= AIM_MEAN)}. Worst {value:.3f} "
            f"({worst[0]}, {worst[1]} with {worst[2]} labels): aim {AIM_WORST} {met(value <= AIM_WORST)}."
        )
    if (found := goes_with_gain(cells, regrets)) is not None:
        said.append(
            f"Rank correlation of the regret with what the best arm gains over the frozen vectors: {found:.2f} over "
            f"{len(regrets)} cells."
            + (
                " The regret is largest where the frozen vectors say little of the task. A likely reason: a head that "
                "begins as a regression gets a low rate, which keeps what the vectors say, and with it the network "
                "learns too slowly what they do not say."
            )
            * (found > 0.5)
        )
    if bounds:
        said.append(
            f"In {len(bounds)} more cells the grid was not run: the defaults are right on so many rows there that the "
            f"regret is at most {max(bounds):.3f}."
        )
    for arm in ("bag of words", "frozen", "SetFit"):
        own = [v for v in versus if v[0] == arm]
        if own:
            good = sum(v[4] >= -0.01 for v in own)
            behind = [f"{v[1]}, {v[2]} {v[3]} ({v[4]:+.3f})" for v in own if v[4] < -0.01]
            verdict = met(good >= 0.9 * len(own))
            said.append(
                f"Against {arm}: ahead or within .01 in {good} of {len(own)} cells (aim 9 of 10 {verdict})"
                + (f"; behind in {'; '.join(behind)}" if behind else "")
                + f". Worst single run: {min(min(v[5]) for v in own):+.3f}; "
                f"more than {AIM_RUN} behind: {far_behind(own)}."
            )
    if seconds:
        said.append(
            f"CPU seconds ÷ SetFit's: {statistics.mean(seconds):.2f} on average over {len(seconds)} cells (aim .5 "
            f"{met(statistics.mean(seconds) <= 0.5)})."
        )
    seeds = [len(arms["defaults"]) for arms in cells.values() if "defaults" in arms]
    return "\n\n".join(
        [
            "# Regret of the defaults",
            f"`make regret`. {described(record['machine'])}",
            __doc__.split("\n\n", 2)[2].strip(),
            f"Seeds of the defaults: {min(seeds)} to {max(seeds)}. The column of the grid says how many arms were run "
            "beside them, and over how many seeds the regret is; empty cells are not measured yet.",
            table(rows),
            *said,
        ]
    )


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options(p)
    p.add_argument("--grid-seeds", type=int, default=5, help="seeds of the arms that change a choice")
    p.add_argument("--setfit-seeds", type=int, default=5, help="seeds of SetFit")
    p.add_argument("--models", nargs="*", help="run these only; the page keeps what is known of the others")
    p.add_argument("--tasks", nargs="*", help="the same for tasks")
    p.add_argument("--labels", nargs="*", type=int, help="the same for numbers of labels")
    p.add_argument("--arms", nargs="*", help="the same for arms")
    o = p.parse_args()
    threads_from(o)
    jobs = jobs_of(o.grid_seeds, o.setfit_seeds)
    only = {"model": o.models, "task": o.tasks, "labels": o.labels, "arm": o.arms}
    asked = [j for j in jobs if all(not some or getattr(j, name) in some for name, some in only.items())]
    done = make_runs("regret", asked, o)
    done |= {job: done.kept[done.key(job)] for job in jobs_of(5, 5) if done.key(job) in done.kept}
    record = {"machine": machine(o.threads)}
    record["runs"] = [[*vars(job).values(), *result.values()] for job, result in done.items()]
    save("regret", record, written(record, done))


if __name__ == "__main__":
    main()
