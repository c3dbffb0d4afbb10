"""What the built-in models transfer: `make aims`.

Writes measure/aims.md and measure/aims.json.

Each row of the table is a task with few labels. Both arms, pretrained and random weights, get the same rows, updates
and choice of learning rates; the rate is chosen for each arm on a validation draw that is used for nothing else, then
kept for five seeds, each with a training draw, a test draw, a head and an order of its own. No checkpoint is selected:
the last weights are scored. Test draws use sentence frames and names that no training row uses. Intervals are 95%, over
seeds (Student's t).

About 18 CPU-minutes, in two processes of one thread each; a run that was made before with the same weights is not
repeated. `--quick` takes one seed and few updates, `--only reviews@32` one row.
"""

import argparse
import contextlib
import io
import math
import random
import re
import statistics
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from multiprocessing import get_context

from common import Runs, described, drawn, machine, save, stamp, table, threads_from, verdict

RATES, SEEDS, TUNING, BATCH = (2e-4, 5e-4, 1e-3), 5, 900, 16
ARMS = ("pretrained", "random")


@dataclass(frozen=True)
class Setting:
    task: str
    rows: int
    updates: int
    model: str = "tiny-bert"
    test_rows: int = 600

    def __str__(self):
        return f"{self.task}@{self.rows}" + (f" ({self.model})" if self.model != "tiny-bert" else "")


SETTINGS = [
    Setting("reviews", 32, 60),
    Setting("topics", 32, 80),
    Setting("reviews-negation", 128, 160),
    Setting("facts", 256, 300, test_rows=300),
    Setting("topics", 32, 80, "tiny-gpt"),
    Setting("reviews", 32, 60, "tiny-gpt"),
    Setting("reviews", 8, 40),
    Setting("reviews", 128, 120),
    Setting("reviews-novel", 32, 60),
    Setting("reviews-3way", 128, 160),
    Setting("reviews-negation", 512, 320),
    Setting("pairs", 512, 320),
]
# random weights only: where do they catch up?
CURVE = [Setting("reviews", n, u) for n, u in ((256, 200), (512, 320), (1024, 512), (2048, 704))]
AIMS = {  # (what is asked, does it hold?) given the mean of each arm
    "reviews@32": ("pretrained ≥ 0.95 where random ≤ 0.65", lambda p, r: p >= 0.95 and r <= 0.65),
    "reviews-negation@128": ("pretrained ≥ 0.87", lambda p, r: p >= 0.87),
    "topics@32": ("pretrained ≥ 0.90", lambda p, r: p >= 0.90),
    "facts@256": ("pretrained ≥ 2 × random", lambda p, r: p >= 2 * r),
    "topics@32 (tiny-gpt)": ("pretrained ≥ 0.85", lambda p, r: p >= 0.85),
    "reviews@32 (tiny-gpt)": ("pretrained ≥ 0.85", lambda p, r: p >= 0.85),
}
LABEL_AIM = 16


@dataclass(frozen=True)
class Job:
    setting: Setting
    arm: str
    lr: float
    seed: int
    split: str  # that is scored: "validation" when rates are chosen, "test" when they are measured


def score(job):
    "One run -> its main score on a draw that the run has not seen."
    from ftcourse import evaluate_model, fine_tune_model, load_model
    from ftcourse.core.machine import set_threads

    set_threads(1)
    warnings.filterwarnings("ignore")
    s = job.setting
    task = drawn(s.task, s.rows, job.split, s.test_rows, job.seed)
    with contextlib.redirect_stdout(io.StringIO()):
        model = load_model(s.model, task=task, random=job.arm == "random", seed=job.seed)
    model = fine_tune_model(
        model,
        task,
        seed=job.seed,
        epochs=math.ceil(s.updates * BATCH / s.rows) + 1,
        max_steps=s.updates,
        lr=job.lr,
        batch_size=BATCH,
    )
    report = evaluate_model(model, task)
    return round(report["exact_match" if task.kind == "span" else "accuracy"], 4)


def measured(settings, arms, seeds, done, rates=RATES):
    "Choose a rate for each setting and arm, then score the seeds with it."
    pairs = [(s, arm) for s in settings for arm in arms]
    if len(rates) > 1:
        done.make("choosing rates", [Job(s, arm, lr, TUNING, "validation") for s, arm in pairs for lr in rates], shown)

    def scores(s, arm):
        if len(rates) == 1:  # there is nothing to choose
            return {rates[0]: None}
        return {lr: done[Job(s, arm, lr, TUNING, "validation")] for lr in rates}

    tried = {(s, arm): scores(s, arm) for s, arm in pairs}
    chosen = {pair: max(t, key=t.get) for pair, t in tried.items()}
    jobs = {(s, arm): [Job(s, arm, chosen[s, arm], seed, "test") for seed in range(seeds)] for s, arm in pairs}
    done.make("measuring", [job for mine in jobs.values() for job in mine], shown)
    about = {pair: {"lr": chosen[pair], "tried": {f"{lr:g}": x for lr, x in tried[pair].items()}} for pair in pairs}
    return {(str(s), arm): about[s, arm] | interval([done[job] for job in mine]) for (s, arm), mine in jobs.items()}


def key(job):
    return f"{job} {stamp(job.setting.model, job.arm)}"


def shown(job, x):
    return f"{job.setting!s:<26} {job.arm:<10} lr {job.lr:g} seed {job.seed}: {x:.3f}"


def interval(values):
    from ftcourse.metrics.intervals import mean_interval

    mean, low, high = mean_interval(values)
    return {"scores": values, "mean": round(mean, 4), "low": round(low, 4), "high": round(high, 4)}


def labels_needed(curve, wanted):
    """Labels at which a curve {labels: score} first reaches `wanted`, between two points on a logarithmic axis; None
    where it never does.
    """
    points = sorted(curve.items())
    for (fewer, below), (more, above) in pairwise(points):
        if below < wanted <= above:
            way = (wanted - below) / (above - below)
            return round(2 ** (math.log2(fewer) + way * math.log2(more / fewer)))
    return points[0][0] if points[0][1] >= wanted else None


# ------------------------------------------------------------------ does the decoder stay with its subject?
class Judge:
    "Topic and mood of a sentence, by the words of the world."

    def __init__(self):
        from ftcourse.data.world.generator import lexicon

        lex = lexicon()
        kinds = list(lex["adjectives"])
        own = {
            t: {w for k in kinds for w in d.get(k, [])} | set(d["words"]) | set(d["kinds"])
            for t, d in lex["topics"].items()
        }
        said = set(re.findall(r"[a-z]+", str(lex["sentences"])))  # "I would call the soup good" is not about telephones
        self.topic_of = {
            w: t
            for t, words in own.items()
            for w in words - said
            if not any(w in other for u, other in own.items() if u != t)
        }
        polar = [*lex["adjectives"].values(), lex["opinions"]["nouns"], lex["opinions"]["verbs"]]
        self.sign = {w: sign for pair in polar for words, sign in zip(pair, (1, -1)) for w in words.split()}
        self.after = [
            (re.compile(re.sub(r"\\{\w+\\}", r"\\w+", re.escape(frame.strip().replace("{x}", end.strip())))), sign)
            for frame, *ends in (line.split("|") for line in lex["sentences"]["consequence"]["frames"])
            for end, sign in zip(ends, (1, -1))
        ]
        longest_first = sorted(map(re.escape, self.topic_of), key=len, reverse=True)
        self.words = re.compile(rf"\b({'|'.join(longest_first)})s?\b")

    def topics(self, sentence):
        return {self.topic_of[w] for w in self.words.findall(sentence.lower())}

    def mood(self, sentence):
        "1, -1, or 0 for none or both."
        hits = [
            sign
            for frame, sign in self.after
            if frame.search(sentence) or frame.search(sentence[:1].lower() + sentence[1:])
        ]
        words = re.findall(r"[a-z]+", sentence.lower())
        for i, w in enumerate(words):
            if w in self.sign:
                turned = {"not", "never", "hardly", "far", "anything"} & set(words[max(0, i - 4) : i])
                hits.append(-self.sign[w] if turned else self.sign[w])
        return sum(hits) // len(hits) if hits and abs(sum(hits)) == len(hits) else 0

    def shares(self, documents):
        """Of documents cut to four sentences: the share with one topic, of those that name any; with one mood, of those
        that show it twice.
        """
        cut = [re.findall(r"[^.?!]+[.?!]", d)[:4] for d in documents]
        topics = [set().union(*map(self.topics, d)) for d in cut]
        moods = [[m for m in map(self.mood, d) if m] for d in cut]
        return {
            "documents": len(cut),
            "one topic": share([len(t) == 1 for t in topics if t]),
            "one mood": share([len(set(m)) == 1 for m in moods if len(m) > 1]),
        }


def share(flags):
    return f"{statistics.mean(flags):.3f} of {len(flags)}" if flags else "none"


def judged_text(n):
    """The decoder's documents between two bounds: the text it learned from, and its own sentences shuffled between
    documents.
    """
    from ftcourse import load_model
    from ftcourse.data.world.generator import documents

    model, judge = load_model("tiny-gpt"), Judge()
    written = [model.generate("", max_new=110, seed=seed) for seed in range(n)]
    pieces = [re.findall(r"[^.?!]+[.?!]", d)[:4] for d in written]
    deck = [s for d in pieces for s in d]
    random.Random(0).shuffle(deck)
    mixed = [" ".join(deck.pop() for _ in d) for d in pieces]
    judged = {"the world's own text": documents(10 * n, seed=77), "tiny-gpt": written, "its sentences, shuffled": mixed}
    return {name: judge.shares(texts) for name, texts in judged.items()} | {"examples": written[:4]}


# ------------------------------------------------------------------ all of it
def written(record):
    "The record as Markdown."
    parts = [
        "# What the built-in models transfer",
        f"`make aims`. {described(record['machine'])}",
        __doc__.split("\n\n")[1].replace("\n", " "),
    ]
    if record["settings"]:
        parts += [
            table([setting_written(r) for r in record["settings"]]),
            f"{record['seeds']} seeds; facts: exact match; the others: accuracy. Chance: 0.5, topics 0.125, three-way "
            "0.333.",
        ]
    if c := record.get("labels"):
        most = max(map(int, c["random"]))
        said = f"{c['needed']} labels, " if c["needed"] else f"more than the {most} tried, over "
        said += f"{c['times']:.0f} times as many"
        rows = [
            {"labels": n, "random weights": v["mean"], "95%": bounds(v), "rate": f"{v['lr']:g}"}
            for n, v in c["random"].items()
        ]
        parts += [
            "## Labels saved",
            table(rows),
            f"Pretrained weights reach {c['wanted']:.3f} with 32 labels of `reviews`; random weights need {said}. "
            f"Aim: at least {LABEL_AIM} times {verdict(c['times'] >= LABEL_AIM)}.",
        ]
    if t := record.get("text"):
        parts += [
            "## What the decoder writes",
            table([{"text": k} | v for k, v in t.items() if k != "examples"]),
            "The first four sentences of each document, judged by the words of the world: one topic among those "
            "named, one mood where at least two sentences show any.",
            "\n>\n".join(f"> {d}" for d in t["examples"]),
        ]
    return "\n\n".join(parts + record.get("notes", []))


def setting_written(r):
    p, z = r["pretrained"], r["random"]
    return {
        "task@labels": r["name"],
        "updates": r["updates"],
        "pretrained": p["mean"],
        "95%": bounds(p),
        "random": z["mean"],
        "95% ": bounds(z),
        "rates": f"{p['lr']:g}, {z['lr']:g}",
        "aim": f"{r['aim']} {verdict(r['met'])}" if "aim" in r else "",
    }


def bounds(a):
    return (a["low"], a["high"])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", help="settings by name, such as reviews@32,facts@256; curve; text. Nothing is written")
    p.add_argument(
        "--quick", action="store_true", help="one seed, a tenth of the updates, nothing written: does it run?"
    )
    p.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    args = p.parse_args()
    args.threads = 1
    threads_from(args)
    wanted = args.only.split(",") if args.only else None
    seeds, shrink = (1, 10) if args.quick else (SEEDS, 1)
    chosen = [s for s in SETTINGS if wanted is None or str(s) in wanted]

    def small(settings):
        return [replace(s, updates=max(4, s.updates // shrink), test_rows=s.test_rows // shrink) for s in settings]

    record = {"machine": machine(1) | {"processes": args.workers}, "seeds": seeds, "settings": []}
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        settings, done = small(chosen), Runs("aims", score, key, pool)
        record["weights"] = {model: stamp(model, "pretrained") for model in ("tiny-bert", "tiny-gpt")}
        found = measured(settings, ARMS, seeds, done) if settings else {}
        for s in settings:
            row = {"name": str(s)} | asdict(s) | {arm: found[str(s), arm] for arm in ARMS}
            if str(s) in AIMS:
                aim, holds = AIMS[str(s)]
                row |= {"aim": aim, "met": bool(holds(row["pretrained"]["mean"], row["random"]["mean"]))}
            record["settings"].append(row)
        if wanted is None or "curve" in wanted:
            # chosen where labels are few, kept where they are many
            rate = found["reviews@128", "random"]["lr"] if ("reviews@128", "random") in found else RATES[-1]
            curve = measured(small(CURVE), ("random",), min(seeds, 3), done, rates=(rate,))
            points = {
                name.split("@")[1].split()[0]: v
                for (name, arm), v in {**found, **curve}.items()
                if arm == "random" and re.fullmatch(r"reviews@\d+", name)
            }
            points = dict(sorted(points.items(), key=lambda x: int(x[0])))
            level = found["reviews@32", "pretrained"]["mean"] if ("reviews@32", "pretrained") in found else 0.95
            needed = labels_needed({int(n): v["mean"] for n, v in points.items()}, level)
            record["labels"] = {
                "wanted": level,
                "random": points,
                "needed": needed,
                "times": round((needed or max(map(int, points))) / 32, 1),
            }
    if wanted is None or "text" in wanted:
        record["text"] = judged_text(80 // shrink)
    print(written(record))
    if not args.quick and wanted is None:
        save("aims", record, written(record))


if __name__ == "__main__":
    main()
