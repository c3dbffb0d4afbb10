"""How often a nominal 95% interval of a report holds the truth: `python measure/intervals.py`.

Test sets are drawn from models whose true scores are known. Each line is the mean over several such models (`true`
says how many; the lowest and the highest of them stand beside it), since for a single one the share jumps from one
number of rows to the next, whatever the method (Brown, Cai and DasGupta 2001). "before" is the percentile of resampled
rows that reports used until 2026-11-28, averages over the classes in each resample; "now" is what `Report.interval`
gives. Within .93 and .97 is as promised; what is outside is marked. Rows are drawn one by one, as test sets are; where
each class has its set number of rows, scores vary less and intervals hold the truth more often. Writes
measure/intervals.json and .md.
"""

import argparse
import itertools
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from common import described, machine, save, table

DRAWS, AIM, SEED = 400, (0.93, 0.97), 2026
# rows, of the rarer class
BINARY = [(20, 5), (50, 2), (50, 5), (50, 25), (100, 3), (100, 5), (100, 10), (100, 50)]
BINARY += [(500, 5), (500, 50), (2000, 5), (2000, 100)]
RECALLS, ALARMS = (0.5, 0.7, 0.8, 0.9, 0.95), (0.01, 0.05, 0.1, 0.2)  # alarms: share of the other class called rare
MANY = [(3, 60), (5, 50), (5, 100), (10, 300), (20, 100), (20, 400)]  # classes, rows
SIZES = (20, 50, 100, 500, 2000)
# what the confidence (0.5 + half of a beta) overstates
CONFIDENCE = {
    "calibrated": ((4, 2), lambda c: c),
    "0.05 too sure": ((4, 2), lambda c: c - 0.05),
    "0.15 too sure": ((6, 1), lambda c: c - 0.15),
    "stretched": ((2, 2), lambda c: 0.75 + 0.4 * (c - 0.75)),
    "too modest": ((2, 3), lambda c: np.minimum(c + 0.08, 1)),
    "nearly certain": ((8, 0.5), lambda c: c - 0.03),
    "too sure above 0.8": ((6, 1), lambda c: np.where(c > 0.8, c - 0.08, c)),
    "too sure above 0.9": ((4, 2), lambda c: np.where(c > 0.9, c - 0.15, c)),
}
NORMAL = lambda rng, n: rng.standard_normal((2, n))
HEAVY = lambda rng, n: rng.standard_t(5, (2, n))
SKEW = lambda rng, n: rng.exponential(size=(2, n))
PAIRS = [(0.0, NORMAL), (0.3, NORMAL), (0.8, NORMAL), (0.95, NORMAL), (0.4, HEAVY), (0.7, HEAVY), (0.6, SKEW)]
# values of a row -> their mean
LOSSES = {  # a loss in nats
    "exponential": (lambda rng, n: rng.exponential(size=n), 1.0),
    "log-normal": (lambda rng, n: np.exp(rng.standard_normal(n)), np.exp(0.5)),
    "gamma 0.5": (lambda rng, n: rng.standard_gamma(0.5, n), 0.5),
    "gamma 20": (lambda rng, n: rng.standard_gamma(20, n), 20.0),
    "one in ten": (lambda rng, n: rng.exponential(np.where(rng.random(n) < 0.9, 0.1, 2.5)), 0.34),
}
SQUARES = {  # squared errors
    "normal": (lambda rng, n: rng.standard_normal(n) ** 2, 1.0),
    "uniform": (lambda rng, n: rng.uniform(-1, 1, n) ** 2, 1 / 3),
    "Laplace": (lambda rng, n: rng.laplace(size=n) ** 2, 2.0),
    "Student, 5": (lambda rng, n: rng.standard_t(5, n) ** 2, 5 / 3),
}
# share of answers that are wholly right, right in part
ANSWERS = [(0.4, 0.2), (0.6, 0.15), (0.7, 0.25), (0.9, 0.07), (0.95, 0.03), (0.05, 0.1)]
# labels, share of rows that have each, recall, share of the others called so, how much labels keep company
LABELS = [
    (10, 0.2, 0.8, 0.05, 0.7),
    (5, 0.3, 0.9, 0.05, 0.7),
    (4, 0.5, 0.95, 0.03, 0.0),
    (6, 0.25, 0.7, 0.1, 0.7),
    (8, 0.4, 0.6, 0.1, 0.4),
]
RARE_LABELS = [(28, 0.1, 0.7, 0.03, 0.5), (10, 0.05, 0.6, 0.02, 0.7), (20, 0.08, 0.9, 0.01, 0.4)]


def ends(found):
    return np.nanquantile(found, [0.025, 0.975])


def holds(interval, truth):
    return interval[0] - 1e-9 <= truth <= interval[1] + 1e-9


# classes


def settings(k, n, few):
    "(k,) shares of the true classes and (k, k) shares of the answers to each, of several models."
    if k == 2:
        for recall, alarms in itertools.product(RECALLS, ALARMS):
            yield np.array([n - few, few]) / n, np.array([[1 - alarms, alarms], [1 - recall, recall]])
        return
    for recall in RECALLS:
        for step in (None, 1):  # what is missed goes to all classes alike, or to the next one
            shares = np.full((k, k), (1 - recall) / (k - 1)) if step is None else np.zeros((k, k))
            np.fill_diagonal(shares, recall)
            if step:
                shares[np.arange(k), (np.arange(k) + step) % k] = 1 - recall
            yield np.full(k, 1 / k), shares


def true_classes(rng, n, share, drawn):
    "(n,) classes, each of which has a row."
    if not drawn:
        return np.repeat(np.arange(len(share)), (share * n).round().astype(int))
    while True:
        true = rng.choice(len(share), n, p=share)
        if len(np.unique(true)) == len(share):
            return true


def answered(rng, true, shares):
    return (rng.random(len(true))[:, None] > shares.cumsum(1)[true]).sum(1).clip(max=len(shares) - 1)


def class_metrics(k):
    from ftcourse.metrics.intervals import second_f1
    from ftcourse.metrics.scores import balanced_accuracy, f1, matthews

    more = {"F1": second_f1} if k == 2 else {}
    return more | {"macro F1": f1, "balanced accuracy": balanced_accuracy, "MCC": matthews}


def true_scores(cells):
    "{score: its value} of a table of shares that add up to 1."
    from ftcourse.metrics.intervals import COUNTED

    k = len(cells)
    exact = np.diag(cells)[None], cells.sum(1)[None], cells.sum(0)[None], np.arange(k), np.arange(k)
    return {name: COUNTED[f](*exact).item() for name, f in class_metrics(k).items()} | {"accuracy": np.trace(cells)}


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
        "balanced accuracy": ends(ratio(right, true).sum(1) / (true > 0).sum(1)),
        "MCC": ends(ratio(right.sum(1) - (true * pred).sum(1), spread)),
    }


def of_classes(rng, setting, sets, drawn=True):
    from ftcourse.metrics.intervals import ClassScore, share_interval

    k, n, few = setting
    for model, (share, shares) in enumerate(settings(k, n, few)):
        truth = true_scores(share[:, None] * shares)
        for _ in range(sets):
            true = true_classes(rng, n, share, drawn)
            pred = answered(rng, true, shares)
            now = {name: ClassScore(f, true, pred, range(k)).interval(DRAWS) for name, f in class_metrics(k).items()}
            now["accuracy"] = share_interval((true == pred).astype(float))
            before = resampled_before(rng, np.bincount(true * k + pred, minlength=k * k).reshape(k, k))
            held = {name: (holds(before[name], truth[name]), holds(x, truth[name])) for name, x in now.items()}
            yield model, np.bincount(true).min(), held


def of_fixed_classes(rng, setting, sets):
    return of_classes(rng, setting, sets, drawn=False)


def of_two_models(rng, setting, sets):
    "The same rows, six in ten of which the second model answers like the first; and where they are equally good."
    from ftcourse.metrics.intervals import ClassScore, paired_bootstrap, paired_class_interval
    from ftcourse.metrics.scores import accuracy

    k, n, few = setting
    models = list(settings(k, n, few))
    for i, (share, first) in enumerate(models):
        for other in (i, (i + 5) % len(models)):
            second = 0.6 * first + 0.4 * models[other][1]
            truth = [true_scores(share[:, None] * x) for x in (first, second)]
            for _ in range(sets // 2):
                true = true_classes(rng, n, share, True)
                a = answered(rng, true, first)
                b = np.where(rng.random(n) < 0.6, a, answered(rng, true, models[other][1]))
                found = {"accuracy": paired_bootstrap(true, a, b, accuracy, DRAWS)}
                for name, f in class_metrics(k).items():
                    both = (ClassScore(f, true, x, range(k)) for x in (a, b))
                    found[name] = paired_class_interval(*both, DRAWS)
                held = {}
                for name, (_, low, high, p) in found.items():
                    held[name] = None, holds((low, high), truth[0][name] - truth[1][name])
                    if other == i:
                        held[f"{name}, equal models: p > .05"] = None, p > 0.05
                yield (i, other), np.bincount(true).min(), held


# labels


def labelled(rng, n, k, base, recall, alarms, company):
    "(n, k) true and given labels; what rows have in common makes their labels keep company."
    from scipy.special import ndtr

    common = lambda: (
        (company * rng.standard_normal((n, 1)) + rng.standard_normal((n, k))) / np.sqrt(1 + company * company)
    )
    true, hard = ndtr(common()) < base, ndtr(common())
    return true, np.where(true, hard < recall, hard < alarms)


def of_labels(rng, setting, sets):
    from ftcourse.metrics.evaluation import multilabel_statistics
    from ftcourse.metrics.scores import multilabel_scores

    n, rare = setting
    for one in RARE_LABELS if rare else LABELS:
        truth = multilabel_scores(*labelled(rng, 200_000, *one))
        for _ in range(sets):
            true, pred = labelled(rng, n, *one)
            of, _, _ = multilabel_statistics(true, np.where(pred, 5.0, -5.0))
            held = {}
            copies = rng.multinomial(n, np.full(n, 1 / n), DRAWS)
            right, said = copies @ (true & pred), copies @ true + copies @ pred
            ratio = lambda a, b: np.divide(2 * a, b, out=np.zeros(b.shape), where=b > 0)
            before = {"micro_f1": ratio(right.sum(1), said.sum(1)), "macro_f1": ratio(right, said).mean(1)}
            for name, x in of.items():
                now = x.interval(DRAWS)
                old = ends(before[name] if name in before else copies @ x.x / n)
                held[name.replace("_", " ")] = holds(old, truth[name]), holds(now, truth[name])
            yield one, true.sum(0).min(), held


# values of rows


def of_answers(rng, setting, sets):
    from ftcourse.metrics.intervals import fraction_interval

    for whole, part in ANSWERS:
        truth = {"exact match": whole, "token F1": whole + part * 0.6}
        for _ in range(sets):
            u = rng.random(setting)
            shared = rng.choice([0.4, 0.5, 0.6, 0.7, 0.8], setting)  # of the words; 0.6 on average
            f = np.where(u < whole, 1.0, np.where(u < whole + part, shared, 0.0))
            held = {}
            for name, x in {"exact match": (f == 1).astype(float), "token F1": f}.items():
                held[name] = holds(ends(means(rng, x)), truth[name]), holds(fraction_interval(x), truth[name])
            yield (whole, part), None, held


def means(rng, x):
    return x[rng.integers(0, len(x), (DRAWS, len(x)))].mean(1)


def of_losses(rng, setting, sets):
    from ftcourse.metrics.intervals import RatioScore

    for called, family in (("loss", LOSSES), ("mean squared error", SQUARES)):
        for name, (draw, truth) in family.items():
            for _ in range(sets):
                x = draw(rng, setting)
                yield name, None, {called: (holds(ends(means(rng, x)), truth), holds(RatioScore(x).interval(), truth))}


def of_texts(rng, setting, sets):
    "Tokens of texts that differ in length and difficulty: longer ones are easier, as easy, or harder a token."
    from ftcourse.metrics.intervals import RatioScore
    from ftcourse.metrics.scores import perplexity

    def draw(n, spread, slope):
        count = rng.integers(5, 60, n).astype(float)
        nats = 2.5 * np.exp(spread * rng.standard_normal(n) + slope * (count - 32) / 32)
        return rng.standard_gamma(count) * nats, count

    for one in itertools.product((0.1, 0.5, 0.9), (-0.3, 0.0, 0.3)):
        total, count = draw(10**6, *one)
        truth = np.exp(total.sum() / count.sum())
        for _ in range(sets):
            total, count = draw(setting, *one)
            idx = rng.integers(0, setting, (DRAWS, setting))
            before = ends(np.exp(total[idx].sum(1) / count[idx].sum(1)))
            now = RatioScore(total, count, lambda ratio: perplexity(ratio, 1)).interval()
            yield one, None, {"perplexity": (holds(before, truth), holds(now, truth))}


def of_confidence(rng, setting, sets):
    from ftcourse.metrics.intervals import CalibrationScore

    for kind, ((a, b), true_share) in CONFIDENCE.items():
        draw = lambda n, a=a, b=b: 0.5 + 0.5 * rng.beta(a, b, n)
        sure = draw(10**6)
        at = np.clip(np.ceil(sure * 10).astype(int) - 1, 0, 9)
        truth = abs(np.bincount(at, sure - true_share(sure))).sum() / len(sure)
        for _ in range(sets):
            sure = draw(setting)
            true = (rng.random(setting) > true_share(sure)).astype(int)
            score = CalibrationScore(np.stack([sure, 1 - sure], 1), true)
            at = np.clip(np.ceil(sure * 10).astype(int) - 1, 0, 9)
            idx = rng.integers(0, setting, (DRAWS, setting))
            cells = (at[idx] + 10 * np.arange(DRAWS)[:, None]).reshape(-1)
            off = np.bincount(cells, (sure - (true == 0))[idx].reshape(-1), 10 * DRAWS).reshape(DRAWS, 10)
            pair = ends(abs(off).sum(1) / setting), score.interval(DRAWS)
            yield kind, None, {"ECE": tuple(holds(x, truth) for x in pair)}


def of_numbers(rng, setting, sets):
    from scipy.stats import rankdata

    from ftcourse.metrics.intervals import CorrelationScore
    from ftcourse.metrics.scores import pearson, spearman

    for which, (r, numbers) in enumerate(PAIRS):

        def draw(n, r=r, numbers=numbers):
            x, noise = numbers(rng, n)
            return x, r * x + np.sqrt(1 - r * r) * noise

        large = draw(10**6)
        for f in (pearson, spearman):
            truth = f(*large)
            for done in range(sets):
                x, y = draw(setting)
                before = None
                if done < 100:  # ranks of resamples take long
                    idx = rng.integers(0, setting, (DRAWS, setting))
                    t, p = (rankdata(a[idx], axis=1) if f is spearman else a[idx] for a in (x, y))
                    t, p = (a - a.mean(1, keepdims=True) for a in (t, p))
                    before = holds(ends((t * p).sum(1) / np.sqrt((t * t).sum(1) * (p * p).sum(1))), truth)
                yield which, None, {f.__name__: (before, holds(CorrelationScore(f, x, y).interval(), truth))}


SECTIONS = {
    "drawn": ("Classes, rows drawn one by one", of_classes),
    "labels": ("Any number of labels a row", of_labels),
    "answers": ("Answers", of_answers),
    "losses": ("Losses", of_losses),
    "texts": ("Text", of_texts),
    "confidence": ("Calibration error", of_confidence),
    "numbers": ("Correlations", of_numbers),
    "pairs": ("The difference of two models", of_two_models),
    "fixed": ("Classes, each with its set number of rows", of_fixed_classes),
}


def jobs(sets):
    "(section, setting, test sets of each model)"
    classes = [(2, *x) for x in BINARY] + [(k, n, n // k) for k, n in MANY]
    for what in ("drawn", "fixed"):
        yield from ((what, x, sets if x[0] == 2 else 2 * sets) for x in classes)
    yield from (("pairs", x, sets) for x in classes if x[1] >= 50 and x[2] >= 5 and x[1] <= 500)
    for n in SIZES:
        if n <= 500:
            yield from (("labels", (n, rare), 4 * sets) for rare in (False, True))
            yield "numbers", n, 3 * sets
        yield "answers", n, 4 * sets
        yield "losses", n, 4 * sets
        yield "texts", n, 2 * sets
        yield "confidence", n, 3 * sets


def one(job):
    "One job -> its lines: dicts of section, rows, rarest, score, true, sets, before, now, least, most."
    what, setting, sets = job
    rng = np.random.default_rng([SEED, *map(ord, f"{what} {setting}")])
    found, rarest = {}, []
    for model, fewest, held in SECTIONS[what][1](rng, setting, sets):
        rarest += [] if fewest is None else [int(fewest)]
        for score, pair in held.items():
            found.setdefault(score, {}).setdefault(model, []).append(pair)
    several = isinstance(setting, tuple)
    rows = (setting[1] if len(setting) == 3 else setting[0]) if several else setting
    kind = f"{setting[0]} classes" if several and len(setting) == 3 else ""
    if what == "labels":
        kind = "many or rare labels" if setting[1] else "4 to 10 labels"
    lines = []
    for score, models in found.items():
        now = [float(np.mean([x[1] for x in pairs])) for pairs in models.values()]
        before = [x[0] for pairs in models.values() for x in pairs if x[0] is not None]
        lines.append(
            {
                "section": what,
                "kind": kind,
                "rows": rows,
                "rarest": round(float(np.mean(rarest)), 1) if rarest else None,
                "score": score,
                "true": len(models),
                "sets": sum(map(len, models.values())),
                "before": float(np.mean(before)) if before else None,
                "now": float(np.mean(now)),
                "least": min(now),
                "most": max(now),
            }
        )
    return lines


def promised(line):
    "Whether a line is one of those that the intervals are made for."
    enough = line["rarest"] is None or round(line["rarest"]) >= 5
    return line["section"] != "fixed" and line["rows"] >= 50 and enough


def report(found, seconds):
    low, high = AIM
    lines = [f"# How often a 95% interval holds the truth\n\n`make intervals`. {described(machine(1))}\n"]
    lines.append(__doc__.split("\n\n")[1].replace("\n", " ") + "\n")
    asked = [x for x in found if promised(x)]
    inside = sum(low <= x["now"] <= high for x in asked)
    rarely = [x for x in asked if x["now"] < low]
    fewest = min(x["sets"] for x in asked)
    lines.append(
        f"{fewest:,} test sets a line or more, so a share of .95 is known to ± "
        f"{1.96 * np.sqrt(0.95 * 0.05 / fewest):.3f} or better. Of the {len(asked)} lines of at least 50 rows and 5 "
        f"rows of the rarest class or label, {inside} are within {low:.2f} to {high:.2f}; the others are marked, ▼ for "
        f"too rarely ({len(rarely)}), ▲ for more often. Lines of fewer rows, and those of set numbers of rows, are "
        "shown for comparison.\n"
    )
    for what, (title, _) in SECTIONS.items():
        rows = []
        for x in (x for x in found if x["section"] == what):
            mark = " ▼" * (x["now"] < low) + " ▲" * (x["now"] > high)
            row = {"rows": str(x["rows"]), "of the rarest": "" if x["rarest"] is None else f"{x['rarest']:.1f}"}
            row = ({"of": x["kind"]} if x["kind"] else {}) | row | {"score": x["score"], "true": str(x["true"])}
            row["before"] = "" if x["before"] is None else f"{x['before']:.3f}"
            rows.append(row | {"now": f"{x['now']:.3f}{mark}", "lowest, highest": (x["least"], x["most"])})
        if all(not row["of the rarest"] for row in rows):
            rows = [{k: v for k, v in row.items() if k != "of the rarest"} for row in rows]
        lines.append(f"## {title}\n\n{table(rows)}\n")
    lines.append(f"{seconds:.0f} s.\n")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=50, help="test sets for each true model (default 50)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    how = parser.parse_args()
    start = time.perf_counter()
    with ProcessPoolExecutor(how.jobs, mp_context=get_context("spawn")) as pool:
        found = [line for lines in pool.map(one, jobs(how.sets)) for line in lines]
    seconds = time.perf_counter() - start
    save("intervals", {"machine": machine(1), "sets": how.sets, "found": found}, report(found, seconds))


if __name__ == "__main__":
    main()
