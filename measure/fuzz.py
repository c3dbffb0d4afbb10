"""What comes out when files and other input are spoilt: `python measure/fuzz.py`, or `make fuzz`.

Input begins valid and is spoilt by its structure: quotes, separators, types, keys, line ends, depth, length. Each
outcome is right (a result, or a `CourseError` that says where and what to do) or a fault. tests/test_fuzz.py draws
from the same makers. Nothing that is made here is kept: it is written to a temporary folder, one input at a time.
Writes measure/fuzz.md.
"""

import argparse
import contextlib
import gzip
import io
import json
import os
import re
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from dataclasses import fields
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent))
from common import described, machine, table  # noqa: E402

from ftcourse.core.errors import CourseError  # noqa: E402

HERE = Path(__file__).resolve().parent
ROWS = [{"text": f"text number {i}, rather {('fine', 'dull')[i % 2]}", "label": "gb"[i % 2]} for i in range(12)]
QUESTIONS = [
    {
        "id": f"q{i}",
        "question": f"who wrote number {i}?",
        "answers": [{"text": "Ada", "answer_start": 0}],
        "is_impossible": False,
    }
    for i in range(6)
]
SQUAD = {"version": "1", "data": [{"title": "t", "paragraphs": [{"context": "Ada wrote it.", "qas": QUESTIONS}]}]}
ASKED = [
    {"question": q["question"], "context": "Ada wrote it.", "answers": {"text": ["Ada"], "answer_start": [0]}}
    for q in QUESTIONS
]
STUDIO = [
    {"id": i, "data": {"text": r["text"]}, "annotations": [{"result": [choice]}]}
    for i, r in enumerate(ROWS)
    for choice in [{"type": "choices", "from_name": "mood", "to_name": "t", "value": {"choices": [r["label"]]}}]
]
ARGILLA = [
    {"fields": {"text": r["text"]}, "responses": {"mood": [{"value": r["label"], "status": "submitted"}]}} for r in ROWS
]
WORDS = [("Ada", "B-PER"), ("wrote", "O"), ("it", "O"), (".", "O")]


def as_table(rows, sep=",", quote=False, end="\n"):
    "Rows as a table with a header."
    cell = lambda x: '"' + str(x).replace('"', '""') + '"' if quote or sep in str(x) else str(x)
    lines = [list(rows[0]), *(list(r.values()) for r in rows)]
    return "".join(sep.join(map(cell, line)) + end for line in lines)


def as_lines(rows):
    return "".join(json.dumps(r) + "\n" for r in rows)


def by_column(rows):
    return {c: {str(i): r[c] for i, r in enumerate(rows)} for c in rows[0]}


def valid_texts():
    "{file name: (text, keywords of `load_task`)}: what people have, in each form that is read."
    several = [{"text": r["text"], "label": ["a", "b", "c"][: 1 + i % 3]} for i, r in enumerate(ROWS)]
    pairs = [{"premise": r["text"], "hypothesis": "it is so", "label": r["label"]} for r in ROWS]
    scores = [{"text": r["text"], "score": f"{i / 4}"} for i, r in enumerate(ROWS)]
    joined = [{"text": r["text"], "label": ",".join(r["label"])} for r in several]
    words = "".join(f"{w}\t{t}\n" for w, t in WORDS)
    split = {"columns": list(ROWS[0]), "index": [0, 1, 2], "data": [list(r.values()) for r in ROWS]}
    return {
        "plain.csv": (as_table(ROWS), {}),
        "quoted.csv": (as_table([r | {"text": 'so "fine",\n' + r["text"]} for r in ROWS], quote=True), {}),
        "semicolon.csv": (as_table(ROWS, ";", end="\r\n"), {}),
        "pairs.csv": (as_table(pairs), {}),
        "scores.csv": (as_table(scores), {"kind": "regress"}),
        "joined.csv": (as_table(joined, quote=True), {"kind": "multilabel"}),
        "plain.tsv": (as_table(ROWS, "\t"), {}),
        "quoted.tsv": (as_table(ROWS, "\t", quote=True), {}),
        "table.txt": (as_table(ROWS, "\t"), {}),
        "lines.txt": ("".join(r["text"] + "\n" for r in ROWS), {}),
        "documents.txt": ("\n\n".join(f"{r['text']}\nand more" for r in ROWS), {}),
        "bio.txt": ("\n".join([words] * 4), {}),
        "bio.tsv": ("word\ttag\n" + "\n".join([words] * 4), {}),
        "plain.jsonl": (as_lines(ROWS), {}),
        "several.jsonl": (as_lines(several), {}),
        "asked.jsonl": (as_lines(ASKED), {}),
        "argilla.jsonl": (as_lines(ARGILLA), {}),
        "list.json": (json.dumps(ROWS), {}),
        "indented.json": (json.dumps(ROWS, indent=1), {}),
        "columns.json": (json.dumps(by_column(ROWS)), {}),
        "split.json": (json.dumps(split), {}),
        "by_id.json": (json.dumps({f"id{i}": r for i, r in enumerate(ROWS)}), {}),
        "squad.json": (json.dumps(SQUAD), {}),
        "studio.json": (json.dumps(STUDIO), {}),
    }


def cells(rng):
    "A value where none, another or an odd one is expected."
    return rng.choice(
        [
            *(None, True, False, 0, -1, 3, 2**63, -(2**70), 10**400, 1.5, 1e308, float("nan"), float("inf")),
            *("", " ", "\ufeff", "\u200b", "x", "1", "-1", "nan", "[]", "['a', 'b']", "[", "{", "a|b", "1,5", "0x10"),
            *("9" * 300, "good\x1b[31m", "a\0b", "\ud800", "e\u0301", "\u202eabc", "a\nb", "a\rb", '"', "\\"),
            *([], [None], [[]], ["a"], ["a", None], [1, 2], [{"a": 1}], {}, {"text": "a"}, {"a": {"b": []}}),
            *({"text": [1], "answer_start": ["x"]}, {"text": "Ada"}, [{"text": "Ada", "answer_start": 4.0}]),
        ]
    )


KEYS = [*("text", "label", "labels", "data", "question", "context", "answers", "answer_start", "paragraphs", "qas"), ""]


def spots(x, path=()):
    "Paths of all values in a JSON value."
    yield path
    for k, v in x.items() if isinstance(x, dict) else enumerate(x) if isinstance(x, list) else ():
        yield from spots(v, (*path, k))


def spoil_value(rng, x):
    "A JSON value with one of its values replaced, taken out, put twice, named anew, or wrapped."
    x = json.loads(json.dumps(x))
    path = rng.choice(list(spots(x))[:300])
    if not path:
        return rng.choice([[x], {"data": x}, {"a": x}, {}, [], cells(rng)])
    above = x
    for k in path[:-1]:
        above = above[k]
    last, how = path[-1], rng.randrange(6)
    if how < 2:
        above[last] = cells(rng)
    elif how == 2:
        del above[last]
    elif how == 3 and isinstance(above, dict):
        above[rng.choice(KEYS)] = above.pop(last)
    elif how == 3:
        above.insert(last, above[last])
    elif how == 4:
        above[last] = rng.choice([[above[last]], {"a": above[last]}, str(above[last])])
    elif isinstance(above, dict):
        above[rng.choice(KEYS)] = cells(rng)
    else:
        above.append(cells(rng))
    return x


def spoil_json(rng, text, lines):
    "JSON or JSON lines with values spoilt."
    values = [json.loads(x) for x in text.splitlines()] if lines else [json.loads(text)]
    for _ in range(rng.choice([1, 1, 2, 5])):
        i = rng.randrange(len(values))
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            values[i] = spoil_value(rng, values[i])
    return "".join(json.dumps(v) + "\n" for v in values) if lines else json.dumps(values[0])


INSERTED = [
    *('"', '""', "'", ",", ";", "\t", "|", "\n", "\r", "\r\n", "\n\n", "\0", "\x1b[2J", "\x07", "\u2028", "\ufeff"),
    *("\x85", "\u202e", "[", "]", "{", "}", ":", "\\", "\\u0000", "\\ud800", "null", "NaN", "1e999", "-", "-0", "1.5"),
    *('"text"', '"label"', '"text":5,', "sep=;\n", "#", "\ud83d\ude00", "\U0001f600", "good", "=1+1"),
]


def spoil_text(rng, text):
    "A text with pieces put in, taken out, repeated, other line ends, or its end cut off."
    for _ in range(rng.choice([1, 1, 2, 4])):
        i, how = rng.randrange(len(text) + 1), rng.randrange(12)
        lines = text.splitlines(keepends=True)
        if how < 5:
            text = text[:i] + rng.choice(INSERTED) + text[i:]
        elif how == 5:
            text = text[:i] + text[i + rng.randrange(1, 30) :]
        elif how == 6:
            text = text[:i] + text[i : i + rng.randrange(1, 40)] + text[i:]
        elif how == 7:
            text = text[:i]
        elif how == 8 and lines:
            k, j = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[k], lines[j] = lines[j], rng.choice([lines[k], "", "\n", lines[k].rstrip("\n")])
            text = "".join(lines)
        elif how == 9:
            text = text.replace("\n", rng.choice(["\r", "\r\n", "\n\n", "\n\r"]), rng.choice([-1, 1, 3]))
        elif how == 10:
            a, b = rng.sample([",", ";", "\t", '"', ":", "[", "{", " "], 2)
            text = text.replace(a, b, rng.choice([-1, 1, 2]))
        else:
            text = text[:i] + rng.choice(["[" * 3000, '{"a":' * 1500, "1" * 5000, '"' * 99, "x" * 9999]) + text[i:]
    return text


def spoil_bytes(rng, data):
    "Bytes with some changed, taken out, put in or cut off."
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 8])):
        if not data:
            break
        i, how = rng.randrange(len(data)), rng.randrange(5)
        if how < 2:
            data[i] = rng.randrange(256)
        elif how == 2:
            del data[i : i + rng.randrange(1, 30)]
        elif how == 3:
            data[i:i] = data[i : i + rng.randrange(1, 40)]
        else:
            del data[i:]
    return bytes(data)


def arrow_column(rng, n):
    "A column of a table of Arrow, of any type that a file may have."
    import decimal

    import pyarrow as pa

    made = [
        lambda: pa.array([r["text"] for r in ROWS[:n]]),
        lambda: pa.array(["a", "b", "c"] * (n // 3) + ["a"] * (n % 3)).dictionary_encode(),
        lambda: pa.nulls(n),
        lambda: pa.array([i % 2 for i in range(n)], pa.int8()),
        lambda: pa.array([i % 2 / 1 for i in range(n)], pa.float16()),
        lambda: pa.array([i / 3 for i in range(n)]),
        lambda: pa.array([bool(i % 2) for i in range(n)]),
        lambda: pa.array([b"\xff\x00"] * n),
        lambda: pa.array([2**63 + i for i in range(n)], pa.uint64()),
        lambda: pa.array(list(range(n)), pa.timestamp("ns", tz="UTC")),
        lambda: pa.array([2**51] * n, pa.timestamp("ms")),
        lambda: pa.array(list(range(n)), pa.duration("us")),
        lambda: pa.array([decimal.Decimal(i) / 4 for i in range(n)], pa.decimal128(10, 4)),
        lambda: pa.array([["a", "b"][: i % 3] for i in range(n)]),
        lambda: pa.array([{"a": i, "b": None} for i in range(n)]),
        lambda: pa.array([[("k", i)] for i in range(n)], pa.map_(pa.string(), pa.int64())),
        lambda: pa.array([None if i % 2 else "a" for i in range(n)], pa.large_string()),
    ]
    return rng.choice(made)()


def arrow_table(rng):
    "A table of Arrow: right, or with columns of other types and names."
    import pyarrow as pa

    n = rng.choice([12, 12, 12, 1, 0])
    columns = [pa.array([r["text"] for r in ROWS[:n]]), pa.array([r["label"] for r in ROWS[:n]])]
    names = ["text", "label"]
    for _ in range(rng.choice([0, 1, 1, 2])):
        if rng.randrange(2):
            columns[rng.randrange(2)] = arrow_column(rng, n)
        else:
            columns.append(arrow_column(rng, n))
            names.append(rng.choice(["text", "label", "", "id", "\x1b[31m"]))
    made = pa.table(columns, names=names)
    if not rng.randrange(4):
        spoilt = rng.choice([b"{}", b"[", b'{"info": {"features": {"label": {"names": 5, "_type": "ClassLabel"}}}}'])
        made = made.replace_schema_metadata({b"huggingface": spoilt})
    return made


def arrow_file(rng, ending):
    "The bytes of a Parquet, Feather or Arrow stream file."
    import pyarrow as pa
    import pyarrow.feather
    import pyarrow.parquet

    out, made = io.BytesIO(), arrow_table(rng)
    if ending == ".parquet":
        pyarrow.parquet.write_table(made, out)
    elif ending == ".feather":
        pyarrow.feather.write_feather(made, out)
    else:
        with pa.ipc.new_stream(out, made.schema) as stream:
            stream.write_table(made)
    return out.getvalue()


def packed(rng, name, data):
    "A packed file: (name, bytes)."
    if rng.randrange(2):
        return f"{name}.gz", gzip.compress(data)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr(name, data)
        if not rng.randrange(4):
            z.writestr(rng.choice(["b.csv", "notes.md", "__MACOSX/x", name]), data)
    return f"{name}.zip", out.getvalue()


def spoilt_file(rng):
    "(name, bytes, keywords of `load_task`) of a file that began valid."
    texts = valid_texts()
    name = rng.choice([*texts, "plain.parquet", "plain.feather", "plain.arrow"])
    ending = Path(name).suffix
    if name not in texts:
        data, how = arrow_file(rng, ending), {}
        data = spoil_bytes(rng, data) if not rng.randrange(3) else data
    else:
        text, how = texts[name]
        if ending in (".json", ".jsonl") and rng.randrange(2):
            text = spoil_json(rng, text, ending == ".jsonl")
        else:
            text = spoil_text(rng, text)
        code = rng.choice(["utf-8"] * 8 + ["utf-8-sig", "utf-16", "utf-16-le", "latin-1", "utf-32"])
        data = text.encode(code, "replace" if code == "latin-1" else "surrogatepass")
        data = spoil_bytes(rng, data) if not rng.randrange(4) else data
    if not rng.randrange(8):
        name, data = packed(rng, name, data)
        data = spoil_bytes(rng, data) if not rng.randrange(3) else data
    return name, data, how | {"on_bad": rng.choice(["error", "skip"])}


CURE = re.compile(
    r"\b(add|ask|call|check|choose|clone|close|convert|correct|download|export|give|install|leave|lengthen|load|make|"
    r"mend|move|name|needs|pack|pass|put|remove|rename|replace|save|say|score|see|send|set|settle|shorten|start|take|"
    r"they are|train|unpack|use|write|is one of|is outside)\b",
    re.I,
)
PYTHON = re.compile(r"Traceback|\w+Error\b|NoneType|<class|object at 0x|\b(dict|str|int|bool|tuple)\b")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def faults_of(message, name=None, python=True, cure=True):
    "What is wrong with what a message says."
    if control := CONTROL.search(message):
        yield f"the message holds the control character {ascii(control[0])}"
    if name and name not in message:
        yield "the message does not name the file"
    if cure and not CURE.search(message):
        yield "the message names no cure"
    if python and (found := PYTHON.search(message)):
        yield f"the message says {found[0]!r}"


def tried(call, name=None, **how):
    "(outcome, None or what is wrong): of a call that shall give a result or a `CourseError`."
    from ftcourse.data.problems import BadRows

    try:
        call()
    except CourseError as e:
        said = "; ".join(faults_of(str(e), name, **how))
        return "BadRows" if isinstance(e, BadRows) else "CourseError", said and f"{said}: {str(e)[:300]}"
    except BaseException as e:
        if isinstance(e, KeyboardInterrupt):
            raise
        own = [f for f in traceback.extract_tb(e.__traceback__) if "/ftcourse/" in f.filename]
        where = f"{Path(own[-1].filename).name}:{own[-1].lineno}: {own[-1].line}" if own else "outside"
        return "fault", f"{type(e).__name__} at {where}: {str(e)[:150]}"
    return "result", None


def loaded(source, **how):
    "Load a task, and look at all of it."
    from ftcourse import load_task

    task = load_task(source, **how)
    said = str(task)
    assert not CONTROL.search(said), f"str(task) holds {ascii(CONTROL.search(said)[0])}"
    for split, rows in task.splits.items():
        rows[:]
        if task.kind in ("classify", "multilabel", "regress"):
            task.label_ids(split)
    return task


def one_file(rng, folder):
    "A spoilt file is read."
    name, data, how = spoilt_file(rng)
    path = Path(folder) / name
    path.write_bytes(data)
    kind, wrong = tried(lambda: loaded(path, **how), name)
    path.unlink()
    return kind, wrong and f"{name} {how}: {wrong} <- {data[:200]!r}"


def odd(rng):
    "A value that somebody may give to an argument."
    return rng.choice(
        [
            *(cells(rng), cells(rng), cells(rng), "text", "label", "classify", "span", "regress", "multilabel", "lm"),
            *(
                "train",
                "test",
                0,
                1,
                5,
                0.5,
                (0, 1),
                ("text", "label"),
                ["text"],
                ["a", "b"],
                {"g": "good", "b": "bad"},
            ),
            *("(", "(?P<text>.*)", "(?P<text>.*) (?P<label>.*)", ",", ";;", "\t", "main", b"x", {1, 2}, object(), len),
        ]
    )


KEYWORDS = [
    *("text", "label", "kind", "labels", "on_bad", "split", "revision", "seed", "validation", "test", "columns", "sep"),
    *("quoted", "pattern"),
]


def one_call(rng, folder):
    "`load_task` with odd keywords."
    text, how = valid_texts()[name := rng.choice(["plain.csv", "plain.jsonl", "lines.txt", "squad.json", "pairs.csv"])]
    path = Path(folder) / name
    path.write_text(text, encoding="utf-8", newline="")
    how = {k: odd(rng) for k in rng.sample(KEYWORDS, rng.choice([1, 1, 2, 3]))}
    kind, wrong = tried(lambda: loaded(path, **how), python=False)
    return kind, wrong and f"{name} {how}: {wrong}"


def one_source(rng, folder):
    "Rows in memory: lists, dictionaries, DataFrames, arrays, tables of Arrow, or anything else."
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from datasets import Dataset, DatasetDict

    rows = [dict(r) for r in ROWS[: rng.choice([12, 12, 12, 1, 0])]]
    for _ in range(rng.choice([0, 1, 2, 3])):
        if rows:
            row = rng.choice(rows)
            row[rng.choice(["text", "label", "other", 3, None, ("a", 1)])] = cells(rng)
    columns = {c: [r.get(c) for r in rows] for c in ("text", "label")}
    texts = [r["text"] for r in rows]
    makers = [
        lambda: rows,
        lambda: tuple(rows),
        lambda: columns,
        lambda: pd.DataFrame(rows),
        lambda: pd.DataFrame(columns, index=list("ab" * 6)[: len(rows)]),
        lambda: pd.DataFrame(columns).astype(rng.choice(["category", "string", "object"])),
        lambda: pd.DataFrame(columns)[rng.choice(["text", "label"])],
        lambda: pd.DataFrame({("a", "text"): texts, ("a", "label"): texts}),
        lambda: pd.DataFrame(columns).assign(label=pd.Timestamp("2020-01-01")),
        lambda: np.array(texts),
        lambda: np.array([texts, texts]).T,
        lambda: np.array(rng.choice([rows, 5, [], texts, [1, 2]]), dtype=object),
        lambda: np.zeros(3, [("text", "U5"), ("label", "i4")]),
        lambda: {"text": np.array(texts), "label": np.arange(len(texts)) % 2},
        lambda: arrow_table(rng),
        lambda: arrow_table(rng).to_batches()[0],
        lambda: arrow_column(rng, 12),
        lambda: pa.chunked_array([arrow_column(rng, 12)]),
        lambda: Dataset(arrow_table(rng)),
        lambda: DatasetDict({rng.choice(["train", "test", "x"]): Dataset(arrow_table(rng))}),
        lambda: {
            rng.choice(["train", "dev", "x", 5, None]): rng.choice([rows, columns, texts, None, 5, "nowhere.csv"])
        },
        lambda: {"train": rows, "test": cells(rng)},
        lambda: [*rows, cells(rng)],
        lambda: [cells(rng)],
        lambda: (r for r in rows),
        lambda: set(texts),
        lambda: odd(rng),
        lambda: Path(str(cells(rng))),
        lambda: str(cells(rng)),
        lambda: f"owner/{cells(rng)}",
    ]
    n = rng.randrange(len(makers))
    try:
        with contextlib.suppress(RecursionError):
            source = makers[n]()
    except Exception:  # the library that should hold it refuses it
        return "not made", None
    how = {"on_bad": rng.choice(["error", "skip"])}
    if not rng.randrange(3):
        how["kind"] = rng.choice(["classify", "multilabel", "regress", "span", "lm"])
    kind, wrong = tried(lambda: loaded(source, **how), python=False)
    return kind, wrong and f"maker {n}, {how}: {wrong} <- {source!r:.300}"


def one_hyperparameter(rng, folder):
    "`HyperParams` with an odd value, or an odd name."
    from ftcourse import HyperParams

    names = [f.name for f in fields(HyperParams)]
    near = lambda f: rng.choice([f.default, f.metadata["low"], f.metadata["high"], str(f.default), [f.default]])
    changes = {}
    for _ in range(rng.choice([1, 1, 2])):
        f = rng.choice(fields(HyperParams))
        name = f.name if rng.randrange(9) else rng.choice(["learning_rate", "epoch", "", "x" * 300, "\x1b[31m"])
        changes[name] = odd(rng) if rng.randrange(3) else near(f)
    build = rng.choice([HyperParams.from_kwargs, HyperParams().replace] + [HyperParams] * (set(changes) <= set(names)))
    kind, wrong = tried(lambda: build(**changes), python=False, cure=False)  # the range is the cure
    return kind, wrong and f"{changes!r:.200}: {wrong}"


@contextlib.contextmanager
def inside(folder):
    "In a folder, with nothing printed: gives what would have been."
    before, out = os.getcwd(), io.StringIO()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            yield out
    finally:
        os.chdir(before)


def model_of(head, kept={}):  # noqa: B006 (loaded once)
    from ftcourse import load_model

    if head not in kept:
        words = ["g", "b"] if head in ("classify", "multilabel") else None
        name = "tiny-gpt" if head == "gpt" else "tiny-bert"
        kept[head] = load_model(name, head="lm" if head in ("gpt", "mlm") else head, labels=words)
    return kept[head]


def one_prediction(rng, folder):
    "A model is asked about anything."
    import numpy as np
    import pandas as pd

    model = model_of(rng.choice(["classify", "multilabel", "regress", "span", "mlm", "gpt"]))
    text = lambda: rng.choice([*INSERTED, "a text", "[MASK]", "it is [MASK].", "x" * 3000, "the " * 900, ""])
    made = [
        lambda: text(),
        lambda: [text() for _ in range(rng.randrange(4))],
        lambda: [(text(), text()) for _ in range(rng.randrange(4))],
        lambda: [[text(), text()], [text()]],
        lambda: (text(), text()),
        lambda: [text(), odd(rng)],
        lambda: [(text(), cells(rng))],
        lambda: odd(rng),
        lambda: np.array([text(), text()]),
        lambda: pd.Series([text(), None], dtype=object),
        lambda: pd.DataFrame({"text": [text()]}, dtype=object),
        lambda: {"text": [text()]},
        lambda: iter([text()]),
        lambda: (t for t in [text(), odd(rng)]),
    ]
    asked = rng.choice(made)()
    how = {"batch_size": odd(rng)} if not rng.randrange(4) else {}
    name = rng.choice(["predict", "predict", "predict", "probabilities", "answers", "fill", "generate"])
    if name in ("fill", "generate"):
        how = {k: odd(rng) for k in (["k"] if name == "fill" else ["max_new", "temperature", "top_p", "seed"])[:]}
        how = {k: v for k, v in how.items() if not rng.randrange(3)}
    kind, wrong = tried(lambda: getattr(model, name)(asked, **how), python=False, cure=False)
    return kind, wrong and f"{model.kind} {name}({asked!r:.150}, {how!r:.80}): {wrong}"


COMMANDS = [
    "fine-tune",
    "evaluate",
    "predict",
    "pretrain",
    "push",
    "doctor",
    "lab",
    "lessons",
    "progress",
    "nothing",
    "",
]
FLAGS = [
    *("--text", "--label", "--kind", "--split", "--rows", "--run", "--out", "--overwrite", "--on-bad", "--json"),
    *("--model", "--hardest", "--file", "--objective", "--epochs", "--lr", "--batch-size", "--train", "--no-buckets"),
    *("--max-length", "--schedule", "--seed", "--eval_every", "--precision", "--help", "--version", "--", "-x"),
]
SAID = [
    *("plain.csv", "plain.tsv", "lines.txt", "squad.json", "m", "no.csv", "tiny-bert", "tiny-gpt", "reviews", ".", ""),
    *("0", "1", "-1", "1.5", "nan", "1e999", "9" * 400, "none", "text", "label", "classify", "span", "train", "test"),
    *("x" * 300, "~nobody-here/x", "a\0b", "\x1b[31m", "\udcff", "owner/name", "mlm", "clm", "last-2", "skip", "o.csv"),
]


def one_command(rng, folder):
    "A command line. Whatever begins a server, a lesson or a training of more than two updates is left out."
    from ftcourse.course.cli.main import main

    home = Path(folder) / "line"
    if not home.exists():
        home.mkdir()
        for name in ("plain.csv", "plain.tsv", "lines.txt", "squad.json"):
            (home / name).write_text(valid_texts()[name][0], encoding="utf-8")
        with inside(home):
            model_of("classify").save("m")
    words = [rng.choice(COMMANDS)] if rng.randrange(20) else []
    if words and words[0] in ("evaluate", "predict", "push") and rng.randrange(4):
        words.append("m")
    words += [rng.choice([*SAID, *FLAGS]) for _ in range(rng.randrange(6))]
    if words[:1] in (["lab"], ["lessons"]):
        words.append(rng.choice(["--epochs", "x", "99"]))
    if words[:1] in (["fine-tune"], ["pretrain"]):
        words += ["--max-steps", "2", "--rows", "8", "--out", f"o{rng.randrange(10**9)}"]

    def call():
        try:
            return main(words)
        except SystemExit as e:
            return e.code

    with inside(home) as out:
        before, sys.stdin = sys.stdin, io.StringIO("a line\n")
        code = []
        try:
            _, wrong = tried(lambda: code.append(call()), python=False)
        finally:
            sys.stdin = before
    said = out.getvalue()
    if not wrong and code[0] not in (0, 1, 2, None):
        wrong = f"ends with {code[0]}"
    if not wrong and (control := CONTROL.search(said)):
        wrong = f"prints {ascii(control[0])}"
    if not wrong and "Traceback" in said:
        wrong = "prints a traceback"
    return f"exit {code[0] if code else '?'}", wrong and f"{words!r:.300}: {wrong}"


def one_settings(rng, folder):
    "A settings.ini that is spoilt."
    from ftcourse.core.settings import OURS, settings

    home = Path(folder) / "ini"
    home.mkdir(exist_ok=True)
    text = (HERE.parent / "settings.ini").read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    for _ in range(rng.choice([1, 1, 2, 3])):
        i, how = rng.randrange(len(lines)), rng.randrange(7)
        key = lines[i].partition("=")[0].rstrip()
        if how == 0:
            lines.insert(rng.randrange(len(lines)), lines[i])
        elif how == 1:
            del lines[i]
        elif how == 2:
            lines[i] = f"{key} = {rng.choice(['', 'x', '-1', '1.5', 'nan', '9' * 400, '~nobody/x', '%(a)s', '[a]'])}\n"
        elif how == 3:
            lines[i] = lines[i][:-3] + lines[i][-2:]
        elif how == 4:
            lines.insert(
                i, rng.choice(["rwos = 5\n", "[lptop]\n", "[tiny]\n", "x\n", "  more\n", "\ufeff\n", "=\n", "\0\n"])
            )
        elif how == 5:
            lines[i] = lines[i].upper()
        else:
            lines[i] = spoil_text(rng, lines[i])
    data = "".join(lines).encode("utf-8", "surrogatepass")
    data = spoil_bytes(rng, data) if not rng.randrange(4) else data
    (home / "settings.ini").write_bytes(data)
    found = []
    with inside(home):
        kind, wrong = tried(lambda: found.append(settings("tiny")), "settings.ini", python=False)
    if found and found[0].file is None and OURS.search(text := data.decode("utf-8", "replace")):
        wrong = f"ignored without a word: {text[:200]!r}"
    return kind, wrong and f"{wrong} <- {data[:300]!r}"


KINDS = {
    "files": (one_file, 10_000),
    "keywords of load_task": (one_call, 2_000),
    "sources in memory": (one_source, 3_000),
    "hyperparameters": (one_hyperparameter, 5_000),
    "prediction inputs": (one_prediction, 1_000),
    "command lines": (one_command, 600),
    "settings.ini": (one_settings, 1_500),
}


def run(kind, n, seed, folder, stop=float("inf")):
    "(counts of outcomes, {fault without its input: its first message}) of n inputs of a kind."
    one, counts, faults = KINDS[kind][0], Counter(), {}
    for i in range(n):
        if time.time() > stop:
            break
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome, wrong = one(Random(f"{kind} {seed} {i}"), folder)
        counts["fault" if wrong else outcome] += 1
        if wrong:
            faults.setdefault(re.sub(r"<-.*|'[^']*'|\d+", "", wrong)[:160], f"[{i}] {wrong}")
    return counts, faults


@contextlib.contextmanager
def quiet():
    "A folder that is deleted afterwards, which is the cache as well, and no network."
    with tempfile.TemporaryDirectory() as folder:
        before = dict(os.environ)
        os.environ.update(FTCOURSE_CACHE=f"{folder}/cache", HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
        try:
            yield folder
        finally:
            os.environ.clear()
            os.environ.update(before)


# {what: maker of (name, text, keywords) of about n pieces}: what took more than linear time once, or might
LARGE = {
    "table": lambda n: ("a.csv", "text,label\n" + "a fine text,g\n" * n, {}),
    "table, all quoted": lambda n: ("a.csv", '"text","label"\n' + '"a ""fine"" text","g"\n' * n, {}),
    "table, every line opens a quote": lambda n: ("a.csv", "text,label\nfine,1\nbad,0\n" + 'a""","\n' * n, {}),
    "table, one quote is never closed": lambda n: ("a.csv", 'text,label\nfine,1\nbad,0\n"a,1\n' + "b,0\n" * n, {}),
    "table, two quotes a line": lambda n: ("a.csv", "text,label\nfine,1\n" + '"a,"b,1\n' * n, {}),
    "table of tabs, a quote in each line": lambda n: ("a.tsv", "text\tlabel\n" + '"a\t1\n' * n, {}),
    "table, line ends mixed": lambda n: ("a.csv", "text,label\n" + "a,1\r\nb,0\nc,1\r" * n, {}),
    "table, a field of n letters": lambda n: (
        "a.csv",
        "text,label\nfine,1\nbad,0\n" + '"' + "x" * 40 * n + '",1\n',
        {},
    ),
    "table, a class a row": lambda n: (
        "a.csv",
        "text,label\n" + "".join(f"a fine text {i},{i // 9}\n" for i in range(n)),
        {"kind": "classify"},
    ),
    "several labels a row": lambda n: (
        "a.jsonl",
        "".join(json.dumps({"text": f"t {i}", "label": [f"a{i % 50}", f"b{i % 7}"]}) + "\n" for i in range(n)),
        {},
    ),
    "JSON lines": lambda n: ("a.jsonl", '{"text": "a fine text", "label": "g"}\n' * n, {}),
    "JSON lines, no JSON": lambda n: ("a.jsonl", '{"text": "fine", "label": 1}\n' + '{"text": "a\n' * n, {}),
    "JSON, a list": lambda n: ("a.json", "[" + ", ".join(['{"text": "a", "label": "g"}'] * n) + "]", {}),
    "JSON, a list of one line that ends early": lambda n: ("a.json", "[" + '{"text": "a", "label": "g"},' * n, {}),
    "JSON, brackets that open": lambda n: ("a.json", "[" * n * 9, {}),
    "JSON, spaces": lambda n: ("a.json", "[" + " \n" * n * 9 + '{"text": "a", "label": "g"}]', {}),
    "SQuAD": lambda n: ("a.json", json.dumps(SQUAD | {"data": SQUAD["data"] * (n // 6)}), {}),
    "questions whose answer is looked up": lambda n: (
        "a.jsonl",
        (json.dumps({"question": "who?", "context": "a b " * 50 + "Ada", "answers": ["Ada"]}) + "\n") * (n // 4),
        {},
    ),
    "an answer in a context of n letters": lambda n: (
        "a.jsonl",
        json.dumps({"question": "who?", "context": "a" * 20 * n, "answers": ["a" * 10 * n + "b"]}) + "\n",
        {},
    ),
    "Label Studio": lambda n: ("a.json", json.dumps(STUDIO * (n // 12)), {}),
    "lines": lambda n: ("a.txt", "a fine text\n" * n, {}),
    "documents": lambda n: ("a.txt", "a fine text\n\n" * n, {}),
    "blank lines": lambda n: ("a.txt", "a\n" + "\n" * n * 9 + "b\n", {}),
    "one line": lambda n: ("a.txt", "a fine text " * n, {}),
    "NULs": lambda n: ("a.csv", "text,label\nfine,1\n" + "a\0b,0\n" * n, {}),
}
MARGIN = 8.0  # four times the bytes may take so many times as long: linear is 4, quadratic 16


def seconds(path, how):
    "CPU seconds until a file is read or refused."
    start = time.process_time()
    with warnings.catch_warnings(), contextlib.suppress(CourseError):
        warnings.simplefilter("ignore")
        loaded(path, **how | {"on_bad": "skip"})
    return time.process_time() - start


def growth(folder, n=8_000, least=0.05):
    "[(what, MB, seconds, MB, seconds, ratio)]: of n pieces and of 4n; n grows until a clock can tell."
    found = []
    for what, make in LARGE.items():
        size = n
        while True:
            rows = []
            for k in (size, 4 * size):
                name, text, how = make(k)
                path = Path(folder) / name
                path.write_text(text, encoding="utf-8", newline="")
                rows += [path.stat().st_size / 1e6, min(seconds(path, how) for _ in range(2))]
                path.unlink()
            if rows[1] >= least or size >= 16 * n:
                break
            size *= 4
        found.append((what, *rows, rows[3] / max(rows[1], 1e-9)))
        print(f"{what:42}{rows[1]:8.2f} s {rows[3]:8.2f} s   {found[-1][-1]:.1f}", flush=True)
    return found


def written(about, counts, faults, grown):
    "What measure/fuzz.md says."
    body = []
    for kind, of in counts.items():
        exits = ", ".join(f"{k} {n:,}" for k, n in sorted(of.items()) if k.startswith("exit"))
        kept = {"result": of["result"], "CourseError": of["CourseError"], "BadRows": of["BadRows"]}
        tried_of = {"input": kind, "tried": f"{sum(of.values()):,}"} | {k: f"{n:,}" for k, n in kept.items()}
        body.append(tried_of | {"other": exits or f"{of['not made']:,}", "faults": of["fault"]})
    slow = [g for g in grown if g[-1] > MARGIN]
    heads = ("file", "MB", "s", "MB of 4n", "s of 4n")
    large = [dict(zip(heads, [g[0], *(f"{x:.2f}" for x in g[1:5])])) | {"ratio": f"{g[5]:.1f}"} for g in grown]
    parts = [
        "# Spoilt input\n",
        about + "\n",
        "Input begins valid and is spoilt in its structure: see measure/fuzz.py. A fault is an exception that is no "
        "`CourseError`, a message without the file's name or a cure, with Python's names of types or with control "
        "characters in it, a control character in what is printed, or a settings.ini that is ignored. `other`: how a "
        "command ended, or what the library that should hold the input refused to make.\n",
        table(body),
        "\n## Time by size\n",
        f"CPU seconds for a file and for one of four times its bytes, the better of two: linear is 4, quadratic 16; "
        f"more than {MARGIN:g} is a fault. {len(slow)} of {len(grown)} are.\n",
        table(large),
    ]
    if faults:
        parts += ["\n## Faults\n", *(f"- {kind}: `{v[:200]}`" for kind, found in faults.items() for v in found)]
    return "\n".join(parts) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="of the numbers of inputs")
    parser.add_argument("--only", choices=KINDS, help="one kind of input; writes nothing")
    options = parser.parse_args()
    counts, faults, grown = {}, {}, []
    with quiet() as folder:
        for kind in [options.only] if options.only else KINDS:
            start = time.time()
            n = round(KINDS[kind][1] * options.share)
            counts[kind], found = run(kind, n, options.seed, folder)
            print(f"{kind}: {dict(counts[kind])}, {time.time() - start:.0f} s", flush=True)
            for said in found.values():
                print("  FAULT", said)
            if found:
                faults[kind] = list(found.values())
        if not options.only:
            grown = growth(folder)
            about = f"{described(machine(1))} Seed {options.seed}."
            (HERE / "fuzz.md").write_text(written(about, counts, faults, grown), encoding="utf-8")
    return bool(faults) or any(g[-1] > MARGIN for g in grown)


if __name__ == "__main__":
    sys.exit(main())
