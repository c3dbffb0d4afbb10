"""How often a nominal 95% interval of a report holds the truth: `python measure/intervals.py`.

Test sets are drawn from a model whose true scores are known: classes with fixed rows ("fixed"), or rows drawn one by
one ("drawn"), with the recall and the false alarms that stand in the first column. "before" is the percentile of
resampled rows that reports used until 2026-11-28, averages over the classes in each resample; "now" is what
`Report.interval` gives. Within .93 and .97 is as promised; what is outside is marked. Writes measure/intervals.json
and .md.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from common import described, machine, save, table

DRAWS, AIM = 400, (0.93, 0.97)
# rows, positives, recall, share of the other class called positive
BINARY = [
    (20, 2, 0.8, 0.05),
    (20, 5, 0.8, 0.05),
    (50, 2, 0.8, 0.02),
    (50, 5, 0.8, 0.02),
    (50, 5, 0.6, 0.1),
    (50, 25, 0.9, 0.1),
    (100, 2, 0.95, 0.01),
    (100, 3, 0.8, 0.02),
    (100, 5, 0.8, 0.02),
    (100, 10, 0.9, 0.05),
    (100, 50, 0.97, 0.02),
    (500, 5, 0.8, 0.01),
    (500, 50, 0.8, 0.05),
    (2000, 5, 0.8, 0.01),
    (2000, 100, 0.9, 0.02),
]
# classes, rows of each, recall
MANY = [(3, 20, 0.9), (5, 10, 0.9), (5, 10, 0.97), (10, 30, 0.8), (20, 5, 0.95), (20, 5, 0.8), (20, 20, 0.9)]
SIZES = (20, 50, 100, 500, 2000)
# what the confidence (0.5 + half of a beta) overstates
CONFIDENCE = {
    "calibrated": ((4, 2), lambda c: c),
    "0.05 too sure": ((4, 2), lambda c: c - 0.05),
    "0.15 too sure": ((6, 1), lambda c: c - 0.15),
    "stretched": ((2, 2), lambda c: 0.75 + 0.4 * (c - 0.75)),
}
PAIRS = {  # correlation, numbers (rows, 2) -> drawn
    "normal, 0.3": (0.3, lambda rng, n: rng.standard_normal((2, n))),
    "normal, 0.8": (0.8, lambda rng, n: rng.standard_normal((2, n))),
    "heavy tails, 0.7": (0.7, lambda rng, n: rng.standard_t(5, (2, n))),
    "skew, 0.6": (0.6, lambda rng, n: rng.exponential(size=(2, n))),
}


def ends(found):
    return np.nanquantile(found, [0.025, 0.975])


def resampled_before(rng, counts):
    """{score: interval as it was} from a table of counts: rows drawn again are a multinomial draw of its cells, and an
    average over classes took those of the resample.
    """
    k, n = len(counts), counts.sum()
    drawn = rng.multinomial(n, counts.reshape(-1) / n, DRAWS).reshape(DRAWS, k, k) / n
    right, true, pred = np.diagonal(drawn, axis1=1, axis2=2), drawn.sum(2), drawn.sum(1)
    ratio = lambda a, b: np.divide(a, b, out=np.zeros(np.shape(b)), where=b > 0)
    each = ratio(2 * right, true + pred)
    spread = np.sqrt((1 - (true**2).sum(1)) * (1 - (pred**2).sum(1)))
    return {
        "accuracy": ends(right.sum(1)),
        "F1": ends(each[:, -1]),
        "macro F1": ends(each.sum(1) / (true + pred > 0).sum(1)),
        "MCC": ends(ratio(right.sum(1) - (true * pred).sum(1), spread)),
    }


def classified(rng, rows, shares, drawn):
    "True classes and answers of a test set: (n,), (n,)."
    k, n = len(rows), sum(rows)
    true = rng.choice(k, n, p=np.array(rows) / n) if drawn else np.repeat(np.arange(k), rows)
    return true, (rng.random(n)[:, None] > shares.cumsum(1)[true]).sum(1).clip(max=k - 1)


def of_classes(rows, shares, drawn, sets, seed):
    "{score: (held before, held now)} of classes, over `sets` test sets."
    from ftcourse.metrics.intervals import COUNTED, ClassScore, second_f1, share_interval
    from ftcourse.metrics.scores import f1, matthews

    rng = np.random.default_rng(seed)
    k = len(rows)
    metrics = {"macro F1": f1, "MCC": matthews} | ({"F1": second_f1} if k == 2 else {})
    cells = np.array(rows)[:, None] * shares / sum(rows)
    exact = np.diag(cells)[None], cells.sum(1)[None], cells.sum(0)[None], np.arange(k), np.arange(k)
    truth = {name: COUNTED[f](*exact).item() for name, f in metrics.items()}
    accuracy = float((np.array(rows) * np.diag(shares)).sum() / sum(rows))
    held = {}
    while len(held.get("accuracy", ())) < sets:
        true, pred = classified(rng, rows, shares, drawn)
        if len(np.unique(true)) < k:
            continue  # a class without a row has no score
        right = (true == pred).astype(float)
        before = resampled_before(rng, np.bincount(true * k + pred, minlength=k * k).reshape(k, k))
        now = {name: ClassScore(f, true, pred, range(k)).interval(DRAWS) for name, f in metrics.items()}
        now["accuracy"] = share_interval(right)
        if right.min() == right.max():
            before["accuracy"] = now["accuracy"]  # reports had the exact bound before, too
        for name, pair in ((name, (before[name], now[name])) for name in now):
            value = truth.get(name, accuracy)
            held.setdefault(name, []).append([low - 1e-9 <= value <= high + 1e-9 for low, high in pair])
    return {name: np.mean(x, 0).tolist() for name, x in held.items()}


def of_confidence(kind, rows, sets, seed):
    from ftcourse.metrics.intervals import CalibrationScore

    rng = np.random.default_rng(seed)
    (a, b), true_share = CONFIDENCE[kind]
    draw = lambda n: 0.5 + 0.5 * rng.beta(a, b, n)
    sure = draw(10**6)
    at = np.clip(np.ceil(sure * 10).astype(int) - 1, 0, 9)
    truth = abs(np.bincount(at, sure - true_share(sure))).sum() / len(sure)
    held = []
    for _ in range(sets):
        sure = draw(rows)
        true = (rng.random(rows) > true_share(sure)).astype(int)
        score = CalibrationScore(np.stack([sure, 1 - sure], 1), true)
        at = np.clip(np.ceil(sure * 10).astype(int) - 1, 0, 9)
        idx = rng.integers(0, rows, (DRAWS, rows))
        cells = (at[idx] + 10 * np.arange(DRAWS)[:, None]).reshape(-1)
        off = np.bincount(cells, (sure - (true == 0))[idx].reshape(-1), 10 * DRAWS).reshape(DRAWS, 10)
        pair = ends(abs(off).sum(1) / rows), score.interval(DRAWS)
        held.append([low - 1e-9 <= truth <= high + 1e-9 for low, high in pair])
    return {"ECE": np.mean(held, 0).tolist()}


def of_numbers(kind, rows, sets, seed):
    from scipy.stats import rankdata

    from ftcourse.metrics.intervals import CorrelationScore
    from ftcourse.metrics.scores import pearson, spearman

    rng = np.random.default_rng(seed)
    r, numbers = PAIRS[kind]

    def draw(n):
        x, noise = numbers(rng, n)
        return x, r * x + np.sqrt(1 - r * r) * noise

    held = {}
    large = draw(10**6)
    for f in (pearson, spearman):
        truth = f(*large)
        for _ in range(sets):
            x, y = draw(rows)
            idx = rng.integers(0, rows, (DRAWS, rows))
            t, p = (rankdata(a[idx], axis=1) if f is spearman else a[idx] for a in (x, y))
            t, p = (a - a.mean(1, keepdims=True) for a in (t, p))
            before = ends((t * p).sum(1) / np.sqrt((t * t).sum(1) * (p * p).sum(1)))
            pair = before, CorrelationScore(f, x, y).interval(DRAWS)
            held.setdefault(f.__name__, []).append([low <= truth <= high for low, high in pair])
    return {name: np.mean(x, 0).tolist() for name, x in held.items()}


def one(job):
    "One setting -> (section, setting, rows, rows of the rarest class, {score: (before, now)})."
    what, setting, sets = job
    seed = sum(map(ord, str(setting)))
    if what in ("fixed", "drawn"):
        if len(setting) == 4:
            n, few, recall, alarms = setting
            rows, shares = (n - few, few), np.array([[1 - alarms, alarms], [1 - recall, recall]])
            named = f"recall {recall:g}, false alarms {alarms:g}"
        else:
            k, few, recall = setting
            rows, shares = (few,) * k, np.full((k, k), (1 - recall) / (k - 1))
            np.fill_diagonal(shares, recall)
            named = f"{k} classes, recall {recall:g}"
        return what, named, sum(rows), min(rows), of_classes(rows, shares, what == "drawn", sets, seed)
    kind, n = setting
    measure = of_confidence if what == "confidence" else of_numbers
    return what, kind, n, None, measure(kind, n, sets, seed)


def jobs(sets):
    for what in ("fixed", "drawn"):
        for setting in (*BINARY, *MANY):
            if what == "fixed" or setting[1] >= 5:
                yield what, setting, sets
    for n in SIZES:
        yield from (("confidence", (kind, n), sets) for kind in CONFIDENCE)
        if n <= 500:  # the ranks of more rows take long
            yield from (("numbers", (kind, n), sets // 2) for kind in PAIRS)


TITLES = {
    "fixed": "Classes, each with its fixed number of rows",
    "drawn": "Classes, rows drawn one by one",
    "confidence": "Calibration error",
    "numbers": "Correlations",
}


def report(found, sets, seconds):
    lines = [f"# How often a 95% interval holds the truth\n\n`make intervals`. {described(machine(1))}\n"]
    lines.append(__doc__.split("\n\n")[1].replace("\n", " ") + "\n")
    low, high = AIM
    inside = [
        low <= now <= high
        for what, _, n, few, scores in found
        if n >= 50 and (few is None or few >= 5)
        for _, now in scores.values()
    ]
    lines.append(
        f"{sets} test sets a line ({sets // 2} for correlations), so a share of .95 is known to about "
        f"± {1.96 * np.sqrt(0.95 * 0.05 / sets):.3f}. Of the {len(inside)} intervals of at least 50 rows and 5 rows of "
        f"the rarest class, {sum(inside)} do so in {low:.2f} to {high:.2f} of the sets; the others are marked, "
        "▼ for too rarely, ▲ for more often.\n"
    )
    for what, title in TITLES.items():
        rows = []
        for _, named, n, few, scores in (x for x in found if x[0] == what):
            for score, (before, now) in scores.items():
                mark = " ▼" * (now < low) + " ▲" * (now > high)
                row = {"model": named, "rows": str(n), "of the rarest": str(few or "")}
                rows.append(row | {"score": score, "before": f"{before:.3f}", "now": f"{now:.3f}{mark}"})
        lines.append(f"## {title}\n\n{table(rows)}\n")
    lines.append(f"{seconds:.0f} s.\n")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=400, help="test sets for each line (default 400)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    how = parser.parse_args()
    start = time.perf_counter()
    with ProcessPoolExecutor(how.jobs, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(one, jobs(how.sets)))
    seconds = time.perf_counter() - start
    save("intervals", {"machine": machine(1), "sets": how.sets, "found": found}, report(found, how.sets, seconds))


if __name__ == "__main__":
    main()
