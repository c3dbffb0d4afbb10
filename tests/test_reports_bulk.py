"""A table that is read in bulk gives the task, or the error, that it gives row by row.

Many small files, with chunks of a few bytes, so that every place in a row is once the end of a chunk.
"""

import csv
import io
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftcourse.core.errors import CourseError
from ftcourse.data.load import arrow, bulk, labels, load
from ftcourse.data.problems import BadRows

ORDINARY = [
    "good film",
    "so dull",
    "Good  Film",
    "fine, really",
    "a b c",
    "x",
    "été",
    "ＦＵＬＬ",
    "ß",
    "\U0001f600 yes",
]
ODD = [
    "",
    " ",
    "\u200b",
    "\u3000",
    'say "no"',
    '"',
    '""',
    "two\nlines",
    "win\r\nlines",
    "cr\rinside",
    "tab\there",
    "a\x0bb",
]
ODD += ["nul\0", "\x1c", "a\x1fb", "\ufeffx", "\x85", "\u2028", "NA", "null", "'", "\\", "\\n", "=1"]
LABELS = [
    "pos",
    "neg",
    " pos",
    "1",
    "1.0",
    "0",
    "-1",
    "",
    "nan",
    "true",
    "[a]",
    "3.5",
    "é",
    "\u200b",
    '"',
    "a|b",
    "x,y",
]
PIECES = ['"', '""', ",", "\n", "\r\n", "\r", "a", "b c", "é", "\t", ";", "\0", " ", "1", "pos", '",', ',"', "\ufeff"]


def told(path, monkeypatch, in_bulk, **how):
    "All that is seen of a task, or the error."
    opened = load.open_source

    def open_source(*args):
        src = opened(*args)
        if not in_bulk:
            src.pieces = [replace(p, read_bulk=None) for p in src.pieces]
        return src

    with monkeypatch.context() as m:
        m.setattr(load, "open_source", open_source)
        try:
            task = load.load_task(path, **how)
        except CourseError as e:
            return type(e).__name__, str(e), [str(p) for p in getattr(e, "problems", ())]
    splits = dict(task.splits) | ({} if task.unlabelled is None else {"unlabelled": task.unlabelled})
    rows = {name: d.to_list() for name, d in splits.items()}
    files = {name: d.cache_files[0]["filename"] for name, d in splits.items()}
    features = {name: d.features for name, d in splits.items()}
    said = [task.kind, task.text, task.label, task.labels, task.notes, task.hidden, [str(p) for p in task.problems]]
    return said, rows, features, files


def alike(tmp_path, monkeypatch, data, name="a.csv", chunk=64, first=1, **how):
    "Load a file by both readers; the chunks that were read in bulk."
    path = tmp_path / name
    path.write_bytes(data)
    monkeypatch.setattr(bulk, "CHUNK", chunk)
    monkeypatch.setattr(arrow, "BATCH", 20)  # a file has many batches, too
    for module in (bulk, labels):
        monkeypatch.setattr(module, "FIRST", first)
    made = []
    chunks = bulk.next_chunk

    def next_chunk(*args):
        found = chunks(*args)
        made.extend([] if found is None else [found])
        return found

    with monkeypatch.context() as m:
        m.setattr(bulk, "next_chunk", next_chunk)
        fast = told(path, monkeypatch, True, **how)
    slow = told(path, monkeypatch, False, **how)
    assert fast == slow
    return made, fast


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FTCOURSE_CACHE", str(tmp_path / "cache"))


def written(rows, sep=",", end="\n", quoting=csv.QUOTE_MINIMAL):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=sep, lineterminator=end, quoting=quoting).writerows(rows)
    return out.getvalue().encode("utf-8", "surrogatepass")


many = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
hows = st.sampled_from(
    [{}, {"on_bad": "skip"}, {"kind": "lm", "on_bad": "skip"}, {"kind": "regress", "on_bad": "skip"}]
    + [{"kind": "multilabel", "on_bad": "skip"}, {"kind": "classify", "on_bad": "skip", "seed": 3}]
)
cells = st.tuples(
    st.one_of(st.sampled_from(ORDINARY), st.sampled_from(ORDINARY + ODD), st.text(max_size=5)),
    st.one_of(st.sampled_from(LABELS[:3]), st.sampled_from(LABELS)),
)


@many
@given(
    rows=st.lists(cells, max_size=30),
    how=hows,
    chunk=st.integers(1, 200),
    first=st.integers(1, 4),
    sep=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    last=st.booleans(),
)
def test_tables_as_programs_write_them(tmp_path, monkeypatch, rows, how, chunk, first, sep, end, quoting, last):
    data = written([("text", "label"), *rows], sep, end, quoting)
    data = data if last else data.rstrip(b"\r\n")
    alike(tmp_path, monkeypatch, data, "a.tsv" if sep == "\t" else "a.csv", chunk, first, **how)


@many
@given(
    rows=st.lists(
        st.one_of(
            st.sampled_from([b"fine film,pos", b"dull film,neg", b'"so, so",pos', b'"he said ""no""",neg', b""]),
            st.lists(st.sampled_from(PIECES), max_size=6).map(lambda x: "".join(x).encode()),
            st.binary(max_size=4),
        ),
        max_size=25,
    ),
    chunk=st.integers(1, 120),
    first=st.integers(1, 4),
    quoted=st.sampled_from([None, True, False]),
    kind=st.sampled_from([None, "lm", "classify"]),
    name=st.sampled_from(["a.csv", "a.csv", "a.tsv", "a.txt"]),
    bom=st.booleans(),
)
def test_tables_as_nobody_should_write_them(tmp_path, monkeypatch, rows, chunk, first, quoted, kind, name, bom):
    sep = b"\t" if name == "a.tsv" else b","
    lines = [b"text,label", b"good film,pos", b"dull,neg", *rows]
    data = b"\xef\xbb\xbf" * bom + b"\n".join(x.replace(b",", sep) for x in lines)
    alike(tmp_path, monkeypatch, data, name, chunk, first, quoted=quoted, kind=kind, on_bad="skip")


@many
@given(
    rows=st.lists(st.lists(st.sampled_from(ORDINARY + ODD), min_size=2, max_size=4), min_size=1, max_size=25),
    chunk=st.integers(1, 200),
    header=st.sampled_from([["sentence1", "sentence2", "label"], ["sentence1", "sentence2", "label", ""], None]),
)
def test_pairs_ragged_rows_and_files_without_a_header(tmp_path, monkeypatch, rows, chunk, header):
    how = {} if header else {"text": (0, 1), "label": 2}
    alike(tmp_path, monkeypatch, written([header, *rows] if header else rows), chunk=chunk, on_bad="skip", **how)


def rows_of(n, **changed):
    lines = [f"film {i} of ours,{i % 3}" for i in range(n)]
    for at, line in changed.items():
        lines[int(at[1:])] = line
    return ("text,label\n" + "\n".join(lines) + "\n").encode()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (",1", "'text' is empty"),
        ("  ,1", "whitespace only"),
        ("\u200b,1", "whitespace only"),
        ("a,b,1", "3 fields, expected 2"),
        ("a", "1 fields, expected 2"),
        ('"never closed,1', "a quote opened here is not closed"),
        ('"a" b,1', "a quote opened here is not closed"),
        ("a\0b,1", "holds a NUL character"),
        ("a\rb,1", "carriage return"),
    ],
)
def test_a_bad_row_among_clean_chunks_is_named_with_its_line(tmp_path, monkeypatch, line, says):
    made, error = alike(tmp_path, monkeypatch, rows_of(400, n200=line), chunk=500)
    assert error[0] == BadRows.__name__, error
    assert re.search(rf"a\.csv:202: .*{re.escape(says)}", error[1]), error
    assert len(made) > 5, len(made)  # the rest was read in bulk, before it and behind
    if "closed" not in line:  # an open quote is looked for up to the end of the file
        assert max(chunk.lines[-1] for chunk in made) == 401, made[-1].lines
    _, task = alike(tmp_path, monkeypatch, rows_of(400, n200=line), chunk=500, on_bad="skip")
    assert sum(map(len, task[1].values())) == 399, task[0]


def test_texts_with_commas_quotes_and_line_breaks_are_read_in_bulk(tmp_path, monkeypatch):
    rows = [(f'film {i}, "so good"\nsaid é {i}', "ab"[i % 2]) for i in range(300)]
    for end in ("\n", "\r\n"):
        plain = [(x.replace("\n", " ") if end != "\n" else x, y) for x, y in rows]
        made, task = alike(tmp_path, monkeypatch, written([("text", "label"), *plain], end=end), chunk=1000)
        assert sum(len(c.lines) for c in made) > 250, len(made)
        assert sum(map(len, task[1].values())) == 300, task[0]


def test_a_byte_order_mark_inside_a_file_is_part_of_a_text(tmp_path, monkeypatch):
    for chunk in range(1, 30):
        _, task = alike(tmp_path, monkeypatch, rows_of(4, n2="\ufefffilm,2"), chunk=chunk)
        assert "\ufefffilm" in [r["text"] for r in task[1]["train"]], task[1]


def test_too_many_classes_are_refused_by_both(tmp_path, monkeypatch):
    data = "text,label\n" + "".join(f"film {i},class {i % 20_001}\n" for i in range(20_050))
    _, error = alike(tmp_path, monkeypatch, data.encode(), chunk=1 << 16)
    assert "more than 20,000 different values" in error[1], error
