"What the measurements share: a fresh process a run, the machine's description, a table in Markdown."

import ast
import csv
import hashlib
import json
import os
import platform
import re
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

from ftcourse.core.files import write_atomic

HERE = Path(__file__).resolve().parent
RECIPE = ("train/defaults.py", "train/head_start.py")  # what they say is part of what a run stands on


def machine(threads):
    "Where and when: what a number means nothing without."
    names = ("torch", "transformers", "tokenizers", "datasets", "accelerate", "numpy")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "versions": {n: installed(n) for n in names},
    }


def installed(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def cpu():
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict([part.strip() for part in line.split(":", 1)] for line in lines if ":" in line)
    return (
        f"{fields.get('model name', platform.machine())} (family {fields.get('cpu family', '?')}, model "
        f"{fields.get('model', '?')})"
    )


def described(m):
    "One line of Markdown for `machine(…)`."
    versions = ", ".join(f"{k} {v}" for k, v in m["versions"].items() if v)
    return (
        f"Measured {m['date']} on {m['cpu']}, {m['cores']} cores, {m['threads']} thread{'s' * (m['threads'] > 1)}; "
        f"Python {m['python']}, {versions}."
    )


def table(rows):
    """A Markdown table of dicts; the columns are the keys of the first.

    Scores are printed with three digits, pairs as low–high.
    """
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([shown(r.get(c, "")) for c in columns] for r in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(x):
    if isinstance(x, (list, tuple)):
        return "–".join(map(shown, x))
    return f"{x:.3f}" if isinstance(x, float) else str(x)


def verdict(met):
    return "met" if met else "**not met**"


def save(name, record, markdown):
    "Write measure/NAME.json and measure/NAME.md, each in one piece."
    for suffix, text in ((".json", json.dumps(record, indent=1) + "\n"), (".md", markdown.strip() + "\n")):
        write_atomic(HERE / f"{name}{suffix}", text)
    print(f"wrote measure/{name}.json and measure/{name}.md")


def timed(run, *args):
    "What `run(*args)` returns (a dict), with its seconds, CPU seconds, and the peak memory of this process."
    wall, busy = time.perf_counter(), time.process_time()
    result = run(*args)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
    return result | {
        "seconds": round(time.perf_counter() - wall, 1),
        "cpu_seconds": round(time.process_time() - busy, 1),
        "peak_mib": round(peak),
    }


def alone(run, *args):
    "`timed(run, *args)` in a process of its own, so that its memory and its random numbers are its own."
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(timed, run, *args).result()


class Kept:
    "{key: result} in a file of the cache folder, so that a measurement which was interrupted goes on where it was."

    def __init__(self, name):
        from ftcourse.core.settings import cache_folder

        self.file = cache_folder() / f"{name}.jsonl"
        self.known = (
            dict(map(json.loads, self.file.read_text(encoding="utf-8").splitlines())) if self.file.exists() else {}
        )

    def __contains__(self, key):
        return key in self.known

    def __getitem__(self, key):
        return self.known[key]

    def __setitem__(self, key, result):
        self.known[key] = result
        with open(self.file, "a", encoding="utf-8") as f:
            f.write(json.dumps([key, result]) + "\n")


class Runs(dict):
    """{job: result}, made by a pool of processes (None: by this one); what was made before under the same key is taken
    from a `Kept`.
    """

    def __init__(self, name, run, key, pool=None, fresh=False):
        self.kept, self.run, self.key, self.pool, self.fresh = Kept(name), run, key, pool, fresh

    def make(self, what, jobs, show, every=1, only_known=False):
        """Run the jobs that are not known, and keep each result at once; print `show(job, result)` for every so many,
        and for the last.
        """
        if not self.fresh:
            self |= {job: self.kept[self.key(job)] for job in jobs if self.key(job) in self.kept}
        new = {} if only_known else {self.key(job): job for job in jobs if job not in self}
        todo = list(new.values())  # jobs of one key are one run
        print(f"{what}: {len(todo)} runs, {sum(job in self for job in jobs)} known", flush=True)
        for i, (job, result) in enumerate(
            zip(todo, self.pool.map(self.run, todo) if self.pool else map(self.run, todo)), 1
        ):
            self[job] = self.kept[self.key(job)] = result
            if i % every == 0 or i == len(todo):
                print(f"  {i:>4} {show(job, result)}", flush=True)
        self |= {job: self[new[self.key(job)]] for job in jobs if job not in self and self.key(job) in new}


def drawn(name, rows, split, test_rows, seed):
    "A built-in task of fresh rows: `rows` to train on, and `test_rows` of a split as its test. Nothing is selected on."
    from ftcourse import load_task
    from ftcourse.data.world.generator import BUILT_IN, generate

    kind = BUILT_IN[name]
    made = {
        "train": generate(name, "train", rows, seed=1000 + seed),
        "test": generate(name, split, test_rows, seed=2000 + seed),
    }
    return load_task(
        made,
        kind=kind.kind,
        text=kind.text if len(kind.text) > 1 else kind.text[0],
        label=kind.label,
        labels=list(kind.labels) or None,
        validation=0,
    )


@cache
def stamp(weights, arm="pretrained"):
    """Hash of the files that a run of a built-in model, or of a folder, stands on: random weights need the words, the
    configuration and the tokenizer, counted words the words only.
    """
    from ftcourse.core.settings import assets

    folder = Path(weights) if os.path.isdir(weights) else assets() / weights
    names = ("config.json", "tokenizer.json", "model.safetensors")
    read = {"bag of words": (), "random": names[:2]}.get(arm, names)
    files = [assets() / "world.toml", *(folder / name for name in read)]
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:12]


@cache
def recipe():
    "Hash of the code that chooses a recipe, without its comments and docstrings."
    found = []
    for name in RECIPE:
        tree = ast.parse((HERE.parent / "ftcourse" / name).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                node.value = ast.Constant(None)
        found.append(ast.dump(tree))
    return hashlib.sha256("".join(found).encode()).hexdigest()[:12]


def networks(name, vocabulary=None):
    """A Model to begin with: the shipped encoder, or a 22M-parameter BERT with random weights.

    The words of the latter are w4, w5, … unless a file of word pieces is given.
    """
    from ftcourse import load_model

    if name == "tiny":
        return load_model("tiny-bert", head="classify", labels=["left", "right"], seed=0)
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from tokenizers.implementations import BertWordPieceTokenizer
    from transformers import BertConfig, PreTrainedTokenizerFast

    special = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")
    if vocabulary:
        words = Tokenizer.from_str(BertWordPieceTokenizer(str(vocabulary), lowercase=True).to_str())
    else:
        known = [*special.values(), *(f"w{i}" for i in range(4, 30522))]
        words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(known)}, "[UNK]"))
        words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        ends = [("[CLS]", 2), ("[SEP]", 3)]
        words.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=ends)
    with tempfile.TemporaryDirectory() as folder:
        BertConfig(
            hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, vocab_size=30522
        ).save_pretrained(folder)
        PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(folder)
        return load_model(folder, head="classify", labels=["left", "right"], random=True, seed=0)


def real_rows():
    """Sentences of SST-2 and news of AG News, in turns, as (text, label): negative or positive, and politics and sport
    or business and science. Nothing where they are absent.
    """
    from ftcourse.core.settings import data_folder

    folder = data_folder()
    files = folder and (folder / "glue" / "SST-2" / "dev.tsv", folder / "ag_news" / "test_sample.csv")
    if not files or not all(f.exists() for f in files):
        return []
    lines = [line.split("\t") for line in files[0].read_text(encoding="utf-8").splitlines()[1:]]
    sentences = [(text.strip(), int(label)) for text, label in lines]
    with open(files[1], encoding="utf-8", newline="") as f:
        news = [(f"{title}. {text}", int(int(label) > 2)) for label, title, text in csv.reader(f)]
    return [row for pair in zip(sentences, news) for row in pair]


def real_texts():
    "The texts of `real_rows`."
    return [text for text, _ in real_rows()]


def word_pieces():
    "BERT's vocabulary, where it is."
    from ftcourse.core.settings import data_folder

    file = data_folder() and data_folder() / "bert_repo" / "vocab_uncased_30522.txt"
    return file if file and file.exists() else None


def product_share(run):
    "Share of the time of `run()` that goes into matrix products and attention, from torch's profiler."
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]):
        pass  # the first start takes seconds
    with profile(activities=[ProfilerActivity.CPU]) as p:
        began = time.perf_counter()
        run()
        seconds = time.perf_counter() - began
    products = re.compile(r"aten::(addmm|mm|bmm|baddbmm)_?|.*(dot_product_flash|linear_pointwise|mkldnn_linear).*")
    own = sum(e.self_cpu_time_total for e in p.key_averages() if products.fullmatch(e.key))
    return round(own / 1e6 / seconds, 3)


def products_said(
    mine,  # `product_share` of our arm
    other,  # of another
    ratio,  # how many times faster ours is
    name,  # of the other
):
    "How much of the quotient the matrix products allow."
    return (
        f"under torch's profiler matrix products take {mine:.0%} of our time and {other:.0%} of that of the {name}, "
        f"{mine / other / ratio:.2f} times its seconds: with nothing else to do, ours would be {ratio / mine:.1f} "
        "times as fast"
    )


def threads_from(args):
    "The number of threads to run with, set for this process and its children before torch starts."
    n = args.threads
    os.environ |= {
        "OMP_NUM_THREADS": str(n),
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "0",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TQDM_DISABLE": "1",
    }
    return n
