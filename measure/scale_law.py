"""Loss against parameters, tokens and compute on the built-in world: `make scale-law` (about 5 minutes of one core).

Decoders of several widths read several numbers of tokens of the world's documents, each at a rate fitted to its width
by short trials. A law is fitted to the runs, and foretells the loss of a larger run. Only then is that run made. Writes
measure/scale_law.json and .md, and ftcourse/assets/scaling.json, which lesson 25 shows. Runs that were made are kept,
so that it goes on where it was.
"""

import argparse
import json
import math

import few_labels
from common import Runs, described, machine, save, stamp, table, threads_from

from ftcourse.core.files import write_atomic

RECIPE = "tables at 0.04"  # of ftcourse.experiments.scaling; another one makes all runs anew
SIZES = ((8, 1), (16, 1), (32, 1), (64, 2))  # width, layers
TOKENS = (25_000, 80_000, 250_000)
SECOND_SEED = 80_000  # up to so many tokens
TRIED, RATES, TRIAL = SIZES[1:], (2e-3, 4e-3, 8e-3, 1.6e-2), 50_000
HELD_BACK = ((96, 2), 450_000)


def one(job):
    "One run -> what it found."
    from ftcourse.core.machine import set_threads
    from ftcourse.experiments.scaling import scaling_run

    set_threads(1)
    found = scaling_run(*job)
    return found | {"loss": round(found["loss"], 5), "seconds": round(found["seconds"], 1)}


def trial_jobs():
    return [(width, layers, TRIAL, lr, 0) for width, layers in TRIED for lr in RATES]


def rounded(x):
    "Three digits: a job is the same whenever its rate was computed."
    return float(f"{x:.3g}")


def foretold(runs):
    "What laws of the runs say about the larger run, before it is made."
    from ftcourse.experiments.scaling import bootstrap_laws, fit_law, middle

    found = {}
    for size in ("parameters", "non-embedding"):
        law, laws = fit_law(runs, size), bootstrap_laws(runs, size, 100)
        numbers = {
            name: [round(getattr(law, name), 4), *(round(x, 4) for x in middle([getattr(v, name) for v in laws]))]
            for name in ("E", "A", "B", "alpha", "beta")
        }
        errors = [math.log(law.loss(r[size], r["tokens"]) / r["loss"]) for r in runs]
        found[size] = {
            "law": numbers,
            "mean size of a residual": round(sum(map(abs, errors)) / len(errors), 5),
            "laws": [[getattr(v, name) for name in ("E", "A", "B", "alpha", "beta")] for v in laws],
        }
    return found


def checked(laws, run):
    "The larger run beside what was foretold."
    from ftcourse.experiments.scaling import Law, middle

    found = {}
    for size, of in laws.items():
        law = Law(*(v[0] for v in of["law"].values()))
        spread = middle([float(Law(*v).loss(run[size], run["tokens"])) for v in of["laws"]])
        found[size] = {
            "foretold": [round(float(law.loss(run[size], run["tokens"])), 4), *(round(x, 4) for x in spread)],
            "measured": run["loss"],
        }
    return found


def written(record):
    "The record as Markdown."
    runs, check = record["runs"], record["check"]
    shown = [
        {
            "width": r["width"],
            "layers": r["layers"],
            "parameters": f"{r['parameters']:,}",
            "non-embedding": f"{r['non-embedding']:,}",
            "tokens": f"{r['tokens']:,}",
            "compute": f"{r['compute']:.2e}",
            "lr": f"{r['lr']:g}",
            "seed": r["seed"],
            "loss": f"{r['loss']:.3f}",
            "seconds": f"{r['seconds']:.0f}",
        }
        for r in [*runs, record["held back"]]
    ]
    laws = [
        {"N is": size} | {k: f"{v[0]:.3f} [{v[1]:.3f}, {v[2]:.3f}]" for k, v in of["law"].items()}
        for size, of in record["laws"].items()
    ]
    larger = [
        {
            "N is": size,
            "foretold": "{:.3f} [{:.3f}, {:.3f}]".format(*found["foretold"]),
            "measured": f"{found['measured']:.3f}",
            "measured less foretold": f"{found['measured'] - found['foretold'][0]:+.3f}",
            "in the interval": "yes" if found["foretold"][1] <= found["measured"] <= found["foretold"][2] else "NO",
        }
        for size, found in check.items()
    ]
    spent = sum(r["seconds"] for r in [*record["trials"], *runs, record["held back"]])
    return "\n\n".join(
        [
            "# A scaling law of the built-in world",
            f"`make scale-law`. {described(record['machine'])} {spent:.0f} s of processor time.",
            __doc__.split("\n\n")[1].replace("\n", " "),
            "Losses are nats a token on documents that no run has read. Compute is 6 · parameters · tokens operations. "
            f"Rates: {record['rate'][0]:.3g} · width^{record['rate'][1]:.3g}, fitted to {len(record['trials'])} trials "
            f"of {TRIAL:,} tokens.",
            "## Runs; the last one was held back",
            table(shown),
            "## loss = E + A / N^alpha + B / D^beta",
            "95% intervals: 100 fits to runs drawn with replacement.",
            table(laws),
            f"The draws behind the text bound the entropy of the text from above: {record['entropy bound']:.3f} nats a "
            "token. No model can know more than what is left open by the text, so E can be no higher than this.",
            "## The larger run",
            table(larger),
        ]
    )


def entropy_bound(n=4000):
    "Nats a token of the draws that documents were written from."
    from ftcourse.experiments.scaling import choices_made
    from ftcourse.models.pretraining.start import encoded
    from ftcourse.models.pretraining.tokenizers import shipped_tokenizer

    made = choices_made(n)
    tokens = sum(len(ids) + 1 for ids in encoded(shipped_tokenizer("clm"), [text for text, _ in made]))
    return sum(nats for _, nats in made) / tokens


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    few_labels.options(p)
    args = p.parse_args()
    threads_from(args)
    from ftcourse.core.settings import assets
    from ftcourse.experiments.scaling import rate_by_width

    stands_on = stamp("tiny-gpt", "random")  # the words and the tokenizer
    runs = Runs("scale_law", one, lambda job: f"{stands_on} {RECIPE} {job}", fresh=args.fresh)
    say = lambda job, found: f"{job}: {found['loss']:.4f} in {found['seconds']:.0f} s"
    runs.make("trials of rates", trial_jobs(), say, only_known=args.known)
    trials = [runs[j] for j in trial_jobs()]
    factor, power = rate_by_width(trials)
    rate = lambda width: rounded(factor * width**power)
    print(f"rate = {factor:.3g} · width^{power:.3g}", {w: rate(w) for w in (*(w for w, _ in SIZES), HELD_BACK[0][0])})
    jobs = [
        (width, layers, tokens, rate(width), seed)
        for seed in (0, 1)
        for tokens in TOKENS
        for width, layers in SIZES
        if seed == 0 or tokens <= SECOND_SEED
    ]
    runs.make("runs", jobs, say, only_known=args.known)
    record = {
        "made by": "measure/scale_law.py",
        "machine": machine(args.threads),
        "stands on": stands_on,
        "rate": [factor, power],
        "trials": trials,
        "runs": [runs[j] for j in jobs],
        "entropy bound": round(entropy_bound(), 4),
    }
    record["laws"] = foretold(record["runs"])
    print({size: of["law"] for size, of in record["laws"].items()}, flush=True)
    (width, layers), tokens = HELD_BACK
    last = (width, layers, tokens, rate(width), 0)
    runs.make("the larger run", [last], say, only_known=args.known)
    record["held back"] = runs[last]
    record["check"] = checked(record["laws"], record["held back"])
    for of in record["laws"].values():
        del of["laws"]
    save("scale_law", record, written(record))
    short = {k: v for k, v in record.items() if k != "trials"}
    write_atomic(assets() / "scaling.json", json.dumps(short) + "\n")


if __name__ == "__main__":
    main()
