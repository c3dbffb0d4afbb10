"""Data larger than memory: what is streamed is what is loaded, errors and losses included; files appear whole; an order
of blocks and windows can be stopped anywhere.
"""

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hub import Hub, without_proxies

from ftcourse import evaluate_model, fine_tune_model, load_model, train_model
from ftcourse.core.errors import CourseError
from ftcourse.core.files import file_digest
from ftcourse.data import BadRows, Batches, Examples, encode_task, load_task
from ftcourse.data.encode import stored
from ftcourse.data.encode.stored import StoredExamples, store_examples, store_task
from ftcourse.data.load import stream
from ftcourse.train.fingerprint import examples_hash

WORDS = "good bad nice fine food room bed staff view price über naïve 好".split()
RUN = dict(epochs=2, batch_size=8, max_length=32, lr=1e-3, seed=3)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FTCOURSE_CACHE", str(tmp_path / "cache"))


def table(n=300, seed=0, labels=("neg", "pos")):
    rng = random.Random(seed)
    said = lambda i: f"row {i} {' '.join(rng.choices(WORDS, k=rng.randint(3, 30)))}"
    return [{"text": said(i), "label": rng.choice(labels)} for i in range(n)]


def write(path, rows):
    "Rows in the format that the file's name says."
    name = path.name.removesuffix(".gz")
    open_as = gzip.open if path.suffix == ".gz" else open
    if name.endswith(".parquet"):
        import pandas as pd

        pd.DataFrame(rows).to_parquet(path)
        return path
    with open_as(path, "wt", encoding="utf-8") as f:
        if name.endswith(".txt"):
            f.writelines(f"{r['text']}\n" for r in rows)
        elif name.endswith(".jsonl"):
            f.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
        else:
            sep = "\t" if name.endswith(".tsv") else ","
            f.write(sep.join(rows[0]) + "\n")
            f.writelines(sep.join(map(str, r.values())) + "\n" for r in rows)
    return path


def rows_of(task, split):
    return sorted((r for r in task.splits[split].to_list()), key=lambda r: r["line"])


def tokenizer():
    return load_model("tiny-bert").tokenizer


@pytest.mark.parametrize(
    "name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.txt", "a.csv.gz", "a.jsonl.gz", "a.txt.gz"]
)
def test_a_streamed_file_has_the_rows_of_a_loaded_one(tmp_path, name):
    file = write(tmp_path / name, table())
    loaded, streamed = load_task(file, split="train"), load_task(file, split="train", stream=True)
    assert streamed.streamed
    assert (streamed.kind, streamed.text, streamed.label, streamed.labels) == (
        loaded.kind,
        loaded.text,
        loaded.label,
        loaded.labels,
    )
    assert rows_of(streamed, "train") == rows_of(loaded, "train")
    assert streamed.train.features == loaded.train.features


def bad_inputs(folder):
    "Names of files in which every kind of row that cannot be used stands, and how they are read."
    rows = table(120)
    half = json.dumps({"text": "\ud800 half", "label": "pos"})
    csv = "".join(f"{r['text']},{r['label']}\n" for r in rows)
    for name, text, how in (
        ("empty.csv", f"text,label\n{csv},pos\n   ,neg\n", {}),
        ("fields.csv", f"text,label\n{csv}one,two,three\n{csv}again,a,b,c\n", {}),
        ("header.csv", f"text,label\n{csv}text,label\n{csv}", {}),
        ("json.jsonl", "".join(json.dumps(r) + "\n" for r in rows) + "{broken\n[1]\n" + half + "\n", {}),
        ("score.csv", f"text,score\n{csv.replace('pos', '1.5').replace('neg', '2')}x,many\n", {"kind": "regress"}),
        ("given.csv", f"text,label\n{csv}strange,maybe\nalso,maybe\n", {"labels": ["neg", "pos"]}),
        (
            "lists.jsonl",
            "".join(json.dumps(r | {"label": [r["label"]]}) + "\n" for r in rows)
            + '{"text": "x", "label": ["pos", null]}\n',
            {"kind": "multilabel"},
        ),
        (
            "spans.jsonl",
            json.dumps({"question": "who?", "context": "Ada was.", "answers": {"text": ["Ada"], "answer_start": [0]}})
            + "\n"
            + json.dumps({"question": "who?", "context": "Bob was.", "answers": {"text": ["Eve"], "answer_start": [0]}})
            + "\n",
            {"kind": "span"},
        ),
        (
            "flags.jsonl",
            "".join(json.dumps({"text": r["text"], "label": [0, 1, i % 2]}) + "\n" for i, r in enumerate(rows))
            + '{"text": "z", "label": [0, 7]}\n'
            + '{"text": "y", "label": [0, 7]}\n',
            {"kind": "multilabel"},
        ),
    ):
        (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        yield folder / name, how
    (folder / "bytes.csv").write_bytes(f"text,label\n{csv}".encode() + b"caf\xe9,pos\n")
    yield folder / "bytes.csv", {}
    (folder / "unseen").mkdir()
    (folder / "unseen" / "train.csv").write_text(f"text,label\n{csv}", encoding="utf-8")
    (folder / "unseen" / "test.csv").write_text(f"text,label\n{csv}new,maybe\nnewer,maybe\nlast,other\n", "utf-8")
    yield folder / "unseen", {}


def test_bad_rows_are_named_as_the_loader_in_memory_names_them(tmp_path):
    for source, how in bad_inputs(tmp_path):
        with pytest.raises(BadRows) as loaded:
            load_task(source, **how)
        with pytest.raises(BadRows) as streamed:
            load_task(source, stream=True, **how)
        assert str(streamed.value) == str(loaded.value), source
        kept, kept_streamed = (load_task(source, on_bad="skip", **how, **x) for x in ({}, {"stream": True}))
        assert kept_streamed.problems == kept.problems, source
        assert sum(map(len, kept_streamed.splits.values())) == sum(map(len, kept.splits.values())), source
        again = load_task(source, on_bad="skip", stream=True, **how)
        assert again.problems == kept.problems, source
    assert not list(Path(os.environ["FTCOURSE_CACHE"]).rglob("*.rows")), "what was being read is left"


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("text,label\n" + "".join(f"row {i},same\n" for i in range(50)), {}),
        ("text,label\n" + "".join(f"row {i},{i / 7:.3f}\n" for i in range(50)), {}),
        ("a,b\n" + "".join(f"{i},{i}\n" for i in range(50)), {}),
        ("text,label\n", {}),
        ("text,label\n" + "".join(f"row {i},answer {i}\n" for i in range(80)), {}),
        ("text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(80)), {"labels": ["a", "c"]}),
        ("text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(80)), {"text": "body"}),
    ],
)
def test_what_cannot_be_a_task_is_refused_with_the_same_words(tmp_path, text, how):
    file = tmp_path / "a.csv"
    file.write_text(text, encoding="utf-8")
    said = []
    for more in ({}, {"stream": True}):
        with pytest.raises(CourseError) as e:
            load_task(file, **how, **more)
        said.append(str(e.value))
    assert said[0] == said[1]


def test_splits_that_are_given_and_their_leaks_are_those_of_the_loader(tmp_path):
    rows = table(400)
    parts = {"train": rows[:250], "validation": rows[240:320], "test": rows[300:400] + rows[:7]}
    files = {s: write(tmp_path / f"{s}.csv", r) for s, r in parts.items()}
    loaded, streamed = load_task(files), load_task(files, stream=True)
    for s in parts:
        assert rows_of(streamed, s) == rows_of(loaded, s)
    repeats = [n for n in loaded.notes if "repeat a text" in n]
    assert len(repeats) == 2
    assert [n for n in streamed.notes if "repeat a text" in n] == repeats
    only = load_task(files, split="test", stream=True)
    assert list(only.splits) == ["test"]


def test_equal_texts_stay_together_and_a_cut_is_a_function_of_text_and_seed(tmp_path):
    rows = table(600) * 2
    file = write(tmp_path / "a.csv", rows)
    task = load_task(file, stream=True, test=0.2, validation=0.1)
    assert not any(task.leaks().values())
    n = {s: len(d) for s, d in task.splits.items()}
    assert sum(n.values()) == len(rows)
    assert 0.14 * len(rows) < n["test"] < 0.26 * len(rows)
    assert 0.05 * len(rows) < n["validation"] < 0.15 * len(rows)
    turned = load_task(write(tmp_path / "b.csv", rows[::-1]), stream=True, test=0.2, validation=0.1)
    assert set(turned.test["text"]) == set(task.test["text"])
    other = load_task(file, stream=True, test=0.2, validation=0.1, seed=1)
    assert set(other.test["text"]) != set(task.test["text"])
    same = load_task(file, test=0.2, validation=0.1)  # in memory the same hashes decide
    assert len(set(same.test["text"]) & set(task.test["text"])) > 0.8 * len(set(same.test["text"]))


def test_of_many_rows_no_more_are_cut_off_than_a_score_needs_unless_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "ENOUGH", 20)
    file = write(tmp_path / "a.csv", table(1000))
    task = load_task(file, stream=True)
    assert 5 < len(task.test) < 40
    assert 5 < len(task.validation) < 40
    assert len(load_task(file, stream=True, test=0.2).test) > 120


def test_only_the_first_rows_are_read_where_a_number_is_given(tmp_path):
    file = write(tmp_path / "a.csv", table(500))
    task = load_task(file, stream=120, split="train")
    assert task.train["line"][:] == list(range(2, 122))
    assert any("the first 120 rows" in n for n in task.notes)
    for wrong in (0, -1, 1.5, "yes", None):
        with pytest.raises(CourseError, match="give True, or the number of rows"):
            load_task(file, stream=wrong)


def test_what_a_stream_cannot_do_is_refused_with_what_can(tmp_path, monkeypatch):
    with pytest.raises(CourseError, match="in memory already"):
        load_task(table(), stream=True)
    with pytest.raises(CourseError, match="conversations"):
        load_task(write(tmp_path / "a.jsonl", table()), stream=True, kind="instructions")
    whole = tmp_path / "a.json"
    whole.write_text(json.dumps(table()), encoding="utf-8")
    assert len(load_task(whole, stream=True, split="train").train) == 300
    monkeypatch.setattr(stream, "WHOLE", 100)
    with pytest.raises(CourseError, match="Save it as JSONL"):
        load_task(whole, stream=True)
    file = write(tmp_path / "a.csv", table())
    free = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(stream.shutil, "disk_usage", lambda _: free)
    with pytest.raises(CourseError, match="FTCOURSE_CACHE to a folder on a larger disk"):
        load_task(file, stream=True)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    file = write(tmp_path / "a.csv", table())
    before = stream.read_pieces

    def read_and_touch(prep):
        before(prep)
        os.utime(file, (1, 1))

    monkeypatch.setattr(stream, "read_pieces", read_and_touch)
    with pytest.raises(CourseError, match="changed while it was read"):
        load_task(file, stream=True)


def test_a_source_is_known_again_by_what_it_holds(tmp_path, monkeypatch):
    file = write(tmp_path / "a.csv", table())
    first = load_task(file, stream=True)
    read = []
    before = stream.read_pieces
    monkeypatch.setattr(stream, "read_pieces", lambda prep: (read.append(1), before(prep)))
    os.utime(file, (1, 1))
    again = load_task(file, stream=True)
    assert not read
    assert (again.notes, again.labels) == (first.notes, first.labels)
    load_task(file, stream=True, seed=1)
    assert len(read) == 1
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("row 5 ", "ROW 5 "), encoding="utf-8")  # as long as before
    load_task(file, stream=True)
    assert len(read) == 2
    gone = next(f for f in Path(os.environ["FTCOURSE_CACHE"]).glob("data/*.arrow"))
    for f in gone.parent.glob("*.arrow"):
        f.unlink()
    assert len(load_task(file, stream=True).train)
    assert len(read) == 3


def test_rows_without_a_label_columns_of_splits_and_dev_splits_are_read_as_in_memory(tmp_path):
    rows = table(300)
    gaps = [r | {"label": "" if i % 9 == 0 else r["label"]} for i, r in enumerate(rows)]
    column = [r | {"split": ("train", "dev", "test")[min(i % 6, 2)]} for i, r in enumerate(rows)]
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder / "train.csv", rows[:200])
    write(folder / "dev.csv", rows[200:])
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    write(hidden / "train.csv", [r | {"label": i % 2} for i, r in enumerate(rows[:200])])
    write(hidden / "test.csv", [r | {"label": -1} for r in rows[200:]])
    for source, how in (
        (write(tmp_path / "gaps.csv", gaps), {"split": "train"}),
        (write(tmp_path / "column.csv", column), {}),
        (folder, {"validation": 0}),
        (folder, {"test": "validation", "validation": 0}),
        (hidden, {"validation": 0}),
    ):
        loaded, streamed = load_task(source, **how), load_task(source, stream=True, **how)
        assert list(streamed.splits) == list(loaded.splits), source
        for s in loaded.splits:
            assert rows_of(streamed, s) == rows_of(loaded, s), (source, s)
        assert streamed.hidden == loaded.hidden
        assert [n for n in streamed.notes if not n.startswith("streamed")] == loaded.notes
        apart = [[] if t.unlabelled is None else t.unlabelled.to_list() for t in (streamed, loaded)]
        assert apart[0] == apart[1], source


def test_what_is_no_file_is_streamed_too():
    from datasets import Dataset

    rows = Dataset.from_list(table(200))
    task = load_task(rows, split="train", stream=True)
    assert task.train["text"][:] == load_task(rows, split="train").train["text"][:]
    built_in = load_task("reviews", stream=True)
    assert rows_of(built_in, "test") == rows_of(load_task("reviews"), "test")


# ---- tokens on disk

KINDS = {
    "classify": (lambda r: r, {}),
    "pairs": (lambda r: {"sentence1": r["text"], "sentence2": r["text"][::-1], "label": r["label"]}, {}),
    "multilabel": (lambda r: r | {"label": [r["label"], *(["long"] if len(r["text"]) > 60 else [])]}, {}),
    "regress": (lambda r: r | {"label": len(r["text"]) / 7}, {"kind": "regress"}),
    "span": (
        lambda r: {
            "question": "which row?",
            "context": r["text"],
            "answers": {"text": [r["text"].split()[1]], "answer_start": [4]},
        },
        {"kind": "span"},
    ),
    "lm": (lambda r: {"text": r["text"]}, {"kind": "lm"}),
}
FLAT = ("ids", "bounds", "labels", "rows", "types", "chars", "supervised", "lengths")


def same(a, b):
    return a is None and b is None or np.array_equal(a, b, equal_nan=a.dtype.kind == "f") and a.dtype == b.dtype


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("processes", [1, 2])
def test_stored_examples_are_those_in_memory(tmp_path, monkeypatch, kind, processes):
    monkeypatch.setattr(stored, "WORTH", 0)
    change, how = KINDS[kind]
    file = write(tmp_path / "a.jsonl", [change(r) for r in table(200)])
    task = load_task(file, split="train", stream=True, **how)
    t = tokenizer()
    mine = store_task(task, "train", t, 24, processes=processes)
    other = encode_task(replace(task, streamed=False), "train", t, 24)
    assert isinstance(mine, StoredExamples) and type(other) is Examples
    for name in FLAT:
        a, b = getattr(mine, name), getattr(other, name)
        assert same(a, b.astype(np.int32) if name == "lengths" else b), name
    for name in ("unknown", "words", "pad_id", "pad_side", "vocab_size", "max_length", "kind"):
        assert getattr(mine, name) == getattr(other, name), name
    assert dict(mine.cut) == other.cut
    assert (list(mine.lost), list(mine.empty), mine.problems) == (other.lost, other.empty, other.problems)
    assert mine[7] == other[7]
    assert type(mine[3:9]) is Examples
    assert mine.original(5) == other.original(5)
    assert repr(mine) == repr(other)
    assert examples_hash(mine) == examples_hash(other)


@pytest.mark.filterwarnings("ignore")
def test_a_large_split_goes_through_processes_in_many_parts_and_comes_out_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "WORTH", 0)
    monkeypatch.setattr(stored, "SHARD", 20_000)
    monkeypatch.setattr(stream, "BATCH", 5_000)
    monkeypatch.setattr(stream, "JOINED", 5_000)
    task = load_task(write(tmp_path / "a.jsonl", table(3000)), split="train", stream=True)
    parts = stored.shards_of(stored.places_of_batches(stored.own_file(task.train)), 3)
    assert len(parts) > 10
    t = tokenizer()
    mine = store_task(task, "train", t, 24, processes=3)
    assert examples_hash(mine) == examples_hash(encode_task(replace(task, streamed=False), "train", t, 24))


@pytest.mark.filterwarnings("ignore")
def test_nothing_is_tokenised_twice_and_anything_that_matters_makes_other_examples(tmp_path, monkeypatch):
    file = write(tmp_path / "a.csv", table())
    task, t = load_task(file, stream=True), tokenizer()
    first = store_task(task, "train", t, 24)
    written = []
    before = stored.write_stored
    monkeypatch.setattr(stored, "write_stored", lambda *x: (written.append(1), before(*x)))
    copy = load_task(shutil.copy(file, tmp_path / "b.csv"), stream=True)  # the same rows under another name
    assert store_task(copy, "train", t, 24).folder == first.folder
    assert not written
    for more in (dict(max_length=23), dict(split="test"), dict(cased=True), dict(few=True)):
        other = tokenizer()
        if more.get("cased"):
            other.backend_tokenizer.normalizer = None
        given = task.take(30) if more.get("few") else task
        made = store_task(given, more.get("split", "train"), other, more.get("max_length", 24))
        assert made.folder != first.folder, more
    assert len(written) == 4
    with open(first.folder / "ids.bin", "r+b") as f:
        f.truncate(100)
    again = store_task(task, "train", t, 24)
    assert again.folder == first.folder
    assert len(again.ids) == len(first.bounds) and len(again.ids) or len(again.ids) == int(again.bounds[-1])


def test_a_row_that_cannot_be_encoded_is_refused_by_its_own_name_each_time():
    from datasets import Dataset

    rows = Dataset.from_list([{"text": "good", "label": 0}, {"text": "bad", "label": 7}])
    how = dict(kind="classify", text="text", label="label", labels=["a", "b"])
    for name in ("mine", "yours"):
        with pytest.raises(CourseError, match=f"row 1 of {name}: the label 7"):
            store_examples(rows, tokenizer(), name=name, **how)
    kept = store_examples(rows, tokenizer(), name="ours", on_bad="skip", **how)
    assert kept.rows.tolist() == [0]
    assert "row 1 of ours" in kept.problems[0]
    with pytest.raises(CourseError, match="no column 'body'"):
        store_examples(rows, tokenizer(), **how | {"text": "body"})
    with pytest.raises(CourseError, match="give a whole number, 1 or more"):
        store_examples(rows, tokenizer(), processes=0, **how)


CHILD = """
import sys, warnings
warnings.simplefilter("ignore")
from ftcourse import load_model
from ftcourse.data import load_task
from ftcourse.data.encode import stored
from ftcourse.train.fingerprint import examples_hash
stored.WORTH = 0
task = load_task(sys.argv[1], stream=True)
print("read", flush=True)
found = stored.store_task(task, "train", load_model("tiny-bert").tokenizer, 24, processes=2)
print(found.folder, examples_hash(found), len(task.train))
"""


def child(file, **how):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how
    )


def test_two_processes_at_once_make_one_result(tmp_path):
    file = write(tmp_path / "a.csv", table(4000))
    both = [child(file) for _ in range(2)]
    said = [p.communicate(timeout=300) for p in both]
    assert [p.returncode for p in both] == [0, 0], said
    assert said[0][0] == said[1][0]
    cache = Path(os.environ["FTCOURSE_CACHE"])
    assert len(list(cache.glob("examples/*/examples.json"))) == 1
    assert not [f for f in cache.rglob("*") if f.suffix in (".new", ".part", ".rows")]


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_a_killed_process_leaves_nothing_that_is_taken_for_whole(tmp_path):
    file = write(tmp_path / "a.csv", table(20_000))
    first = child(file, start_new_session=True)
    assert first.stdout.readline() == "read\n"
    cache = Path(os.environ["FTCOURSE_CACHE"])
    until = time.monotonic() + 120
    while not list(cache.glob("examples/.*.new/parts/*.ids")) and time.monotonic() < until:
        time.sleep(0.05)
    first.kill()
    first.communicate()
    assert not list(cache.glob("examples/*/examples.json"))
    assert list(cache.glob("examples/.*.new"))
    second = child(file)
    said, errors = second.communicate(timeout=300)
    assert second.returncode == 0, errors
    assert not list(cache.glob("examples/.*.new"))


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
def test_a_process_that_is_ended_from_outside_is_said_and_the_others_end(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "WORTH", 0)
    monkeypatch.setattr(stored, "SHARD", 2_000)  # so many parts that there is work left when one is killed
    monkeypatch.setattr(stream, "BATCH", 2_000)
    monkeypatch.setattr(stream, "JOINED", 2_000)
    task = load_task(write(tmp_path / "a.csv", table(5000)), stream=True)
    started = []
    before = stored.start_worker
    monkeypatch.setattr(stored, "start_worker", lambda log: (started.append(before(log)), started[-1])[1])

    def kill(bases):
        os.kill(started[0].pid, signal.SIGKILL)
        return before_shards(*bases)

    before_shards = stored.join_shards
    monkeypatch.setattr(stored, "join_shards", lambda folder, shards, bases: kill((folder, shards, bases)))
    monkeypatch.setattr(stored, "in_processes", eager(stored.in_processes))
    with pytest.raises(CourseError, match="by signal 9, as where memory runs out"):
        store_task(task, "train", tokenizer(), 24, processes=2)
    assert all(p.poll() is not None for p in started)
    assert not list(Path(os.environ["FTCOURSE_CACHE"]).glob("examples/*/examples.json"))


def eager(generator):
    "A generator whose first part runs at once, so that its processes are there to be killed."

    class Started:
        def __init__(self, *given):
            self.inner = generator(*given)
            self.first = next(self.inner)

        def __iter__(self):
            yield self.first
            yield from self.inner

        def close(self):
            self.inner.close()

    return Started


# ---- order


def by_hand(n, labels=None):
    return Examples.from_lists([[i % 50 + 5] * (i % 9 + 1) for i in range(n)], labels)


@pytest.mark.parametrize("shuffle", [True, False])
def test_windows_hold_every_example_once_and_go_on_anywhere(shuffle):
    made = Batches(by_hand(5003), 8, seed=4, shuffle=shuffle, window=700)
    assert made.window == 696
    for k in (0, 1):
        order = [b.tolist() for b in made.order_from(k)]
        assert sorted(sum(order, [])) == list(range(5003))
        assert [len(b) for b in order] == [8] * 625 + [3]
        for start in (0, 1, 86, 87, 88, 400, 625, 626):
            assert [b.tolist() for b in made.order_from(k, start)] == order[start:]
        assert [b.index for b in made.epoch(k, 300)] == order[300:]
    first, second = ([b.tolist() for b in made.order_from(k)] for k in (0, 1))
    assert (first == second) is not shuffle
    assert [b.tolist() for b in made.order(0)] == first


def test_examples_that_fit_one_window_are_ordered_as_in_memory():
    some = by_hand(500)
    for how in (dict(), dict(shuffle=False), dict(shuffle=False, buckets=True), dict(buckets=False)):
        plain, windowed = Batches(some, 8, seed=1, **how), Batches(some, 8, seed=1, window=512, **how)
        assert windowed.window is None
        for a, b in zip(plain.order(2), windowed.order(2), strict=True):
            assert np.array_equal(a, b)


def test_rows_sorted_by_label_are_mixed_although_no_window_holds_them_all():
    n = 60_000
    labels = np.repeat([0, 1], n // 2)
    made = Batches(Examples.from_lists([[5]] * n, labels), 50, seed=0, window=16_000)
    shares = [labels[b].mean() for b in made.order(0)]
    window = [np.mean(shares[i : i + 320]) for i in range(0, 960, 320)]
    assert max(abs(x - 0.5) for x in window) < 0.35, window
    assert np.std(shares) < 0.25


@pytest.mark.filterwarnings("ignore")
def test_training_on_stored_examples_is_training_in_memory_bit_by_bit(tmp_path):
    task = load_task(write(tmp_path / "a.csv", table(160)), stream=True)
    runs = [fine_tune_model("tiny-bert", t, **RUN) for t in (task, replace(task, streamed=False))]
    steps = [[(s.loss, s.grad_norm) for s in M.history.steps] for M in runs]
    assert steps[0] == steps[1]
    a, b = (M.network.state_dict() for M in runs)
    assert all((a[k] == b[k]).all() for k in a)
    mine, other = (evaluate_model(runs[0], t) for t in (task, replace(task, streamed=False)))
    assert (mine.scores, mine.rows) == (other.scores, other.rows)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("objective", ["mlm", "clm"])
def test_pretraining_on_stored_examples_is_pretraining_in_memory_bit_by_bit(tmp_path, objective):
    task = load_task(write(tmp_path / "a.txt", table(120)), stream=True)
    how = dict(objective=objective, layers=1, hidden=32, batch_size=8, max_length=24, max_steps=6)
    steps = [[s.loss for s in train_model(t, **how).history.steps] for t in (task, replace(task, streamed=False))]
    assert steps[0] == steps[1]


@pytest.mark.filterwarnings("ignore")
def test_a_run_over_windows_goes_on_where_it_was_bit_by_bit(tmp_path, monkeypatch):
    from ftcourse.core.hparams import HyperParams
    from ftcourse.recipes import set_up
    from ftcourse.train.loop import fit, train_steps

    monkeypatch.setattr(stored, "WINDOW", 40)
    task = load_task(write(tmp_path / "a.csv", table(160)), stream=True)

    def run(folder, stop=None):
        setup = set_up("tiny-bert", task, HyperParams.from_kwargs(**RUN))
        assert setup.batches.window == 40
        if stop:
            for step in train_steps(**setup.arguments(), run=folder):
                if step.n == stop:
                    break
            return None
        history = fit(**setup.arguments(), run=folder)
        return [s.loss for s in history.steps], setup.model.network.state_dict()

    whole, weights = run(tmp_path / "whole")
    run(tmp_path / "stopped", stop=11)
    again, resumed = run(tmp_path / "stopped")
    assert again[-5:] == whole[-5:]
    assert all((weights[k] == resumed[k]).all() for k in weights)


def test_head_features_of_a_streamed_task_are_not_kept_in_memory(tmp_path):
    task = load_task(write(tmp_path / "a.csv", table()), stream=True)
    with pytest.raises(CourseError, match="train='head', or load it without stream="):
        fine_tune_model("tiny-bert", task, train="head-cached", epochs=1)


# ---- hub

HUB = """
import json
from ftcourse.data import load_task
task = load_task("someone/opinions", stream=STREAM)
print(json.dumps([task.kind, task.labels, {s: sorted(d["text"]) for s, d in task.splits.items()}]))
"""


def test_a_hub_data_set_is_streamed_and_known_again_by_its_commit(tmp_path):
    rows = table(300)
    files = tmp_path / "opinions"
    files.mkdir()
    write(files / "train.csv", rows[:200])
    write(files / "test.csv", rows[200:])
    said = []
    with Hub(datasets={"someone/opinions": {"main": files}}) as hub:
        env = without_proxies() | hub.environment(tmp_path)
        for how in ("True", "True", "50"):
            before = len(hub.asked)
            out = subprocess.run(
                [sys.executable, "-c", HUB.replace("STREAM", how)], env=env, capture_output=True, text=True
            )
            assert out.returncode == 0, out.stderr[-2000:]
            said.append((json.loads(out.stdout.splitlines()[-1]), [x for x in hub.asked[before:] if "csv" in x[1]]))
    (kind, labels, splits), asked = said[0]
    assert (kind, labels) == ("classify", ["neg", "pos"])
    assert len(splits["test"]) == 100
    assert len(splits["train"]) + len(splits["validation"]) == 200
    assert asked
    assert said[1] == (said[0][0], []), "what is known was asked for again"
    assert len(said[2][0][2]["train"]) == 50
    assert not list((tmp_path / "hf").rglob("*.csv")), "a file was downloaded whole"


def test_a_digest_is_the_name_of_every_file_that_is_kept(tmp_path):
    load_task(write(tmp_path / "a.csv", table()), stream=True)
    for f in Path(os.environ["FTCOURSE_CACHE"]).glob("data/*.arrow"):
        assert f.stem == file_digest(f, "blake2b", digest_size=16)
