"""The data cases of ../shared/cases, the kinds of fault they stand for, and real files of ../shared/data."""

import codecs
import re

import cases
import numpy as np
import pytest
from cases import CASES, DATA
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from ftcourse.core.errors import CourseError
from ftcourse.data.load.load import as_task, load_task
from ftcourse.data.problems import BadRows


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("FTCOURSE_CACHE", str(tmp_path_factory.mktemp("cache")))


def case(name):
    x = cases.read(name) or cases.skip()
    return x["input"], x["expected"]


def real(path):
    if DATA is None or not (DATA / path).exists():
        pytest.skip(f"no real data {path}: set data in settings.ini or FTCOURSE_DATA")
    return DATA / path


def rows_of(task):
    "All labelled rows of a task, in the order of their lines."
    return sorted((r for d in task.splits.values() for r in d), key=lambda r: r["line"])


def refused(*args, **kw):
    with pytest.raises(CourseError) as e:
        load_task(*args, **kw)
    return str(e.value)


# ---------------------------------------------------------------- the cases


def test_d01_byte_order_mark():
    given, right = case("d01-bom-header")
    task = load_task(CASES / given["file"], text=given["text_column"], label=given["label_column"])
    assert [task.text[0], task.label] == right["columns"]
    assert len(rows_of(task)) == right["n_rows"]
    assert [r["text"] for r in rows_of(task)] == right["texts"]
    assert [int(task.labels[r["label"]]) for r in rows_of(task)] == right["labels"]


def test_d03_ragged_rows_are_named():
    given, right = case("d03-ragged-tsv")
    with pytest.raises(BadRows, match="rows cannot be used") as e:
        load_task(CASES / given["file"])
    task = load_task(CASES / given["file"], on_bad="skip")
    for problems in (e.value.problems, task.problems):
        assert [p.line for p in problems] == [b["line"] for b in right["bad_lines"]]
        for p, b in zip(problems, right["bad_lines"], strict=True):
            assert f"{b['fields']} fields, expected {right['expected_fields']}" in p.what
    assert len(rows_of(task)) == right["good_rows"]
    assert task.text == ("q1", "q2")


def test_d04_quoted_newlines():
    given, right = case("d04-crlf-quoted-newline")
    rows = rows_of(load_task(CASES / given["file"]))
    assert [r["text"] for r in rows] == right["texts"]
    assert [r["label"] for r in rows] == right["labels"]
    assert len(rows) == right["n_rows"]
    assert [r["line"] for r in rows] == [2, 4, 5]


def test_d05_words_that_look_missing():
    given, right = case("d05-null-looking-words")
    task = load_task(CASES / given["file"], on_bad="skip")
    assert [r["text"] for r in rows_of(task)] == right["texts"]
    assert [r["label"] for r in rows_of(task)] == right["labels"]
    assert [(p.line, p.what) for p in task.problems] == [
        (m["line"], f"'{m['column']}' is empty") for m in right["missing_rows"]
    ]
    assert "d05-null-looking-words.csv:7" in refused(CASES / given["file"])


def test_d06_empty_texts():
    given, right = case("d06-empty-and-whitespace-text")
    task = load_task(CASES / given["file"], on_bad="skip")
    assert [p.line for p in task.problems] == [b["line"] for b in right["bad_lines"]]
    for p, b in zip(task.problems, right["bad_lines"], strict=True):
        assert b["reason"] in p.what
    assert [r["line"] for r in rows_of(task)] == right["usable_lines"]


def test_d07_float_labels_and_a_blank():
    given, right = case("d07-float-labels-one-blank")
    task = load_task(CASES / given["file"])
    assert task.kind == "classify"
    assert task.labels == [str(x) for x in right["label_values"]]
    assert {str(r["line"]): int(task.labels[r["label"]]) for r in rows_of(task)} == right["labels_by_line"]
    assert task.unlabelled["line"][:] == right["unlabelled_lines"]
    assert any("line 4" in n for n in task.notes)


def test_d08_ids_with_gaps():
    given, right = case("d08-noncontiguous-ids")
    task = load_task([{"text": f"text {i}", "label": x} for i, x in enumerate(given["labels"])], split="train")
    assert {name: i for i, name in enumerate(task.labels)} == right["mapping"]
    assert task.train["label"][:] == right["encoded"]
    assert [int(task.labels[i]) for i in given["predicted_class_indices"]] == right["decoded_predictions"]


def test_d10_hidden_labels():
    given, right = case("d10-glue-hidden-test")
    hidden = [{"text": f"text {i}", "label": x} for i, x in enumerate(given["references"])]
    shown = [{"text": f"shown {i}", "label": i % 2} for i in range(8)]
    task = load_task({"train": shown, "validation": shown[:4], "test": hidden})
    with pytest.raises(CourseError, match="validation") as e:
        task.split("test")
    for word in right["must_mention"]:
        assert word in str(e.value)
    assert len(task.unlabelled) == 4
    assert len(task.validation) == 4
    features = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    alone = load_task(Dataset.from_dict({"text": ["a", "b"], "label": [-1, -1]}, features=features))
    with pytest.raises(CourseError, match="-1"):
        alone.split("test")
    assert len(alone.unlabelled) == 2
    assert not len(alone.splits)
    scored = load_task({"train": shown, "validation": shown[:4], "test": hidden}, test="validation")
    assert len(scored.test) == 4
    assert any("validation is scored as the test split" in n for n in scored.notes)


def test_d11_scores_as_text():
    given, right = case("d11-score-column-as-text")
    rows = [{"text": f"text {i}", "label": x} for i, x in enumerate(given["labels"])]
    task = load_task(rows, kind="regress", split="train")
    assert task.kind == "regress"
    assert task.labels == []
    assert task.train["label"][:] == right["targets"]
    assert 'kind="regress"' in refused(rows)


def test_d12_one_map_for_all_splits():
    given, right = case("d12-split-specific-label-maps")
    splits = DatasetDict()
    for s in ("train", "validation"):
        labels = given[f"{s}_labels"]
        splits[s] = Dataset.from_dict({"text": [f"{s} {i}" for i in range(len(labels))], "label": labels})
    task = load_task(splits)
    assert {n: i for i, n in enumerate(task.labels)} == right["mapping"]
    assert task.validation["label"][:] == right["validation_encoded"]


def test_d13_label_that_train_lacks():
    given, right = case("d13-unseen-validation-label")
    splits = {
        s: [{"text": f"{s} {i}", "label": x} for i, x in enumerate(given[f"{s}_labels"])]
        for s in ("train", "validation")
    }
    message = refused(splits)
    for word in right["must_mention"]:
        assert word in message
    for i in right["rows"]:
        assert f"validation row {i}:" in message
    assert f"{right['count']} rows" in message
    skipped = load_task(splits, on_bad="skip")
    assert [p.line for p in skipped.problems] == right["rows"]
    assert len(skipped.validation) == 2


def test_d14_one_label_written_in_three_ways():
    given, right = case("d14-jsonl-mixed-label-types")
    task = load_task(CASES / given["file"])
    assert len(task.labels) == right["num_labels"]
    assert [r["label"] for r in rows_of(task)] == right["encoded"]


def test_d15_leaks():
    given, right = case("d15-train-test-duplicates")
    task = load_task(
        {
            "train": [{"text": x, "label": i % 2} for i, x in enumerate(given["train_texts"])],
            "test": [{"text": x, "label": y} for x, y in zip(given["test_texts"], given["test_labels"])],
        },
        validation=0,
    )
    assert task.leaks()["test"] == right["normalised_overlap_test_rows"]
    assert task.leaks(exact=True)["test"] == right["exact_overlap_test_rows"]
    assert any("2 of 4 rows repeat" in n for n in task.notes)
    clean = task.without_leaks()
    right_or_wrong = np.array(given["test_predictions"]) == given["test_labels"]
    kept = [i for i in range(4) if given["test_texts"][i] in clean.test["text"]]
    assert right_or_wrong.mean() == right["accuracy_all"]
    assert right_or_wrong[kept].mean() == right["accuracy_without_overlap"]


def test_d16_columns_with_other_names():
    given, right = case("d16-label-column-name")
    rows = [dict(zip(given["columns"], [f"quite a long sentence {i}", i % 2, i])) for i in range(6)]
    message = refused(rows, **given["asked_for"])
    for word in right["must_mention"]:
        assert repr(word) in message
    assert "text='sentence', label='target'" in message
    assert load_task(rows).text == ("sentence",)


# ---------------------------------------------------------------- faults of the same kinds


def write(path, text, encoding="utf-8"):
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


GOOD = "".join(f"text number {i},{i % 2}\n" for i in range(30))


@pytest.mark.parametrize(
    "name, text, says",
    [
        ("empty.csv", "", "holds no rows"),
        ("header.csv", "text,label\n", "holds no rows"),
        ("twice.csv", "text,label,label\na,0,1\n", "names 'label' more than once"),
        ("one.csv", "text,label\na,1\nb,1\nc,1\n", "nothing to tell apart"),
        ("zip.csv", b"PK\x03\x04" + b"x" * 50, "spreadsheet"),
        ("wide.csv", "text,label\na,1\n".encode("utf-16-le"), "not UTF-8"),
        ("open.json", '[{"text": "a", "label": 1},\n {"text": "b" "label": 0}]', "open.json:2: not JSON"),
        ("odd.xyz", "x", "files ending in '.xyz' are not read"),
        ("free.csv", "text,label\n" + "".join(f"t{i},word {i}\n" for i in range(60)), "too many for classes"),
        ("broken.parquet", b"PAR1 nothing", "is not a Parquet file"),
        (
            "mixed.jsonl",
            '{"text": "a", "label": ["x"]}\n{"text": "b", "label": "y"}\n',
            "lists such as ['x'] and single values",
        ),
    ],
)
def test_files_that_cannot_be_read_say_why(tmp_path, name, text, says):
    assert says in refused(write(tmp_path / name, text))


@pytest.mark.parametrize(
    "name, text, lines, kept, says",
    [
        ("latin.csv", ("text,label\n" + GOOD).encode() + b"caf\xe9,1\n", [32], 30, "byte 0xe9, which is not UTF-8"),
        ("quote.csv", 'text,label\n"never closed,1\n' + GOOD, [2], 30, "a quote opened here is not closed"),
        (
            "quote2.csv",
            'text,label\n"two\nlines",0\n"he said "hi" to me",1\n' + GOOD,
            [4],
            31,
            "a quote opened here is not closed",
        ),
        ("many.csv", "text,label\ngood, but slow,1\n" + GOOD, [2], 30, "3 fields, expected 2"),
        ("nul.csv", "text,label\na\0b,1\n" + GOOD, [2], 30, "NUL"),
        ("zero.csv", "text,label\n\u200b\ufeff,1\n" + GOOD, [2], 30, "whitespace only"),
        (
            "half.jsonl",
            '{"text": "a", "label": 1}\n{"text": "b", "label"\n[1, 2]\n{"text": "\\ud83d", "label": 0}\n'
            '{"text": "c", "label": 0}\n',
            [2, 3, 4],
            2,
            "not JSON",
        ),
        (
            "object.jsonl",
            '{"text": "a", "label": 1}\n{"text": "b", "label": {"x": 1}}\n{"text": "c", "label": 0}\n',
            [2],
            2,
            "is an object",
        ),
    ],
)
def test_bad_rows_are_named_by_line_and_the_rest_is_kept(tmp_path, name, text, lines, kept, says):
    file = write(tmp_path / name, text)
    with pytest.raises(BadRows, match=re.escape(says)) as e:
        load_task(file)
    assert [p.line for p in e.value.problems] == lines
    assert f"{name}:{lines[0]}" in str(e.value)
    task = load_task(file, on_bad="skip")
    assert [str(p) for p in task.problems] == [str(p) for p in e.value.problems]
    assert len(rows_of(task)) == kept


def test_the_message_lists_twenty_and_counts_all(tmp_path):
    with pytest.raises(BadRows, match="50 rows cannot be used") as e:
        load_task(write(tmp_path / "x.csv", "text,label\n" + ",1\n" * 50 + GOOD))
    assert len(e.value.problems) == 50
    assert str(e.value).count("is empty") == 20
    assert "30 more" in str(e.value)


@pytest.mark.parametrize(
    "name, text, encoding",
    [
        ("semicolon.csv", "text;label\ngut, aber;1\nschlecht;0\n", "utf-8"),
        ("excel.csv", "sep=;\r\ntext;label\r\ngut, aber;1\r\nschlecht;0\r\n", "utf-8-sig"),
        ("old_mac.csv", "text,label\r\"gut, aber\",1\rschlecht,0\r", "utf-8"),
        ("utf16.csv", "text,label\n\"gut, aber\",1\nschlecht,0\n", "utf-16"),
        ("quoted.tsv", '"text"\t"label"\n"gut, aber"\t"1"\n"schlecht"\t"0"\n', "utf-8"),
        ("list.json", '[{"text": "gut, aber", "label": 1},\n{"text": "schlecht", "label": 0}]', "utf-8"),
        ("lines.json", '{"text": "gut, aber", "label": 1}\n{"text": "schlecht", "label": 0}\n', "utf-8"),
        ("by_id.json", '{"a": {"text": "gut, aber", "label": 1}, "b": {"text": "schlecht", "label": 0}}', "utf-8"),
        ("spaces.csv", "text , label\n\"gut, aber\", 1\nschlecht,0 \n", "utf-8"),
    ],
)
def test_the_same_two_rows_in_many_dresses(tmp_path, name, text, encoding):
    task = load_task(write(tmp_path / name, text, encoding))
    assert [(r["text"], r["label"]) for r in rows_of(task)] == [("gut, aber", 1), ("schlecht", 0)]


def test_old_mac_line_numbers(tmp_path):
    assert [r["line"] for r in rows_of(load_task(write(tmp_path / "x.csv", "text,label\ra,1\rb,0\r")))] == [2, 3]


def test_a_quote_that_swallows_many_lines_loses_none(tmp_path):
    task = load_task(
        write(tmp_path / "x.csv", 'text,label\n"opened,1\n' + GOOD + '"closed" here,1\n' + GOOD), on_bad="skip"
    )
    assert [p.line for p in task.problems] == [2, 33]
    assert len(rows_of(task)) == 60


def test_a_folder(tmp_path):
    write(tmp_path / "train_sample.csv", "text,label\n" + GOOD)
    write(tmp_path / "dev.tsv", "text\tlabel\nanother\t1\nfurther\t0\n")
    task = load_task(tmp_path)
    assert {s: len(d) for s, d in task.splits.items()} == {"train": 30, "test": 2}  # too few to validate on
    assert task.train.features["label"].names == ["0", "1"]
    write(tmp_path / "valid.csv", "text,label\nanother,1\n")
    assert "2 files for validation" in refused(tmp_path)
    (tmp_path / "valid.csv").unlink()
    write(tmp_path / "test.tsv", "index\ttext\n0\tnobody knows\n")  # as GLUE is handed out
    task = load_task(tmp_path)
    assert "test" not in task.splits
    assert len(task.validation) == 2
    assert len(task.unlabelled) == 1
    assert "there is no file, folder or built-in data set" in refused(tmp_path / "nowhere")


def test_a_folder_a_class(tmp_path):
    for split in ("train", "test"):
        for label in ("neg", "pos", "unsup"):
            (tmp_path / split / label).mkdir(parents=True)
            for i in range(4):
                write(tmp_path / split / label / f"{i}.txt", f"{split} {label} {i}")
    task = load_task(tmp_path)
    assert task.labels == ["neg", "pos"]
    assert len(task.test) == 8
    assert len(task.unlabelled) == 8


def test_kinds(tmp_path):
    rows = [{"text": f"text {i}", "label": x} for i, x in enumerate([["a"], ["a", "b"], [], ["b"]])]
    task = load_task(rows, split="train")
    assert task.kind == "multilabel"
    assert task.labels == ["a", "b"]
    assert task.label_ids("train").tolist() == [[1, 0], [1, 1], [0, 0], [0, 1]]
    task = load_task(
        [{"text": r["text"], "label": "|".join(r["label"])} for r in rows], kind="multilabel", split="train"
    )
    assert task.label_ids("train").tolist() == [[1, 0], [1, 1], [0, 1]]
    assert len(task.unlabelled) == 1
    task = load_task(
        write(tmp_path / "x.csv", "text,rude,kind\nx,1,0\ny,0,1\nz,1,1\n"), label=["rude", "kind"], split="train"
    )
    assert task.labels == ["rude", "kind"]
    assert task.label == "labels"
    assert task.train["labels"][:] == [[1, 0], [0, 1], [1, 1]]
    task = load_task([{"text": f"text {i}", "label": x} for i, x in enumerate([[0, 1, 1], [1, 0, 0]])], split="train")
    assert task.labels == ["0", "1", "2"]
    assert task.train["label"][:] == [[0, 1, 1], [1, 0, 0]]
    task = load_task([{"question": "who?", "context": "Ada wrote it.", "answer": "Ada"}], split="train")
    assert task.kind == "span"
    assert task.train[0]["answer"] == {"text": ["Ada"], "answer_start": [0]}
    assert "write answer_start=4" in refused(
        [{"question": "who?", "context": "by  Ada.", "answers": {"text": ["Ada"], "answer_start": [3]}}]
    )
    paragraphs = load_task(write(tmp_path / "x.txt", "one\n\ntwo\nlines\n\n\nthree\n"))
    assert paragraphs.train["text"][:] == ["one", "two\nlines", "three"]
    lines = load_task(write(tmp_path / "y.txt", "one\ntwo\n"))
    assert lines.train["text"][:] == ["one", "two"]
    assert "not a finite number" in refused(
        [{"text": "a", "label": "3,8"}, {"text": "b", "label": "1"}], kind="regress"
    )
    assert "kind='guess'" in refused("reviews", kind="guess")


def test_labels_have_names():
    rows = [{"text": f"text {i}", "label": i % 2} for i in range(4)]
    assert load_task(rows, labels=["bad", "good"], split="train").labels == ["bad", "good"]
    task = load_task(rows, labels={0: "good", 1: "bad"}, split="train")
    assert [task.labels[i] for i in task.train["label"]] == ["good", "bad", "good", "bad"]
    assert "does not name '1'" in refused(rows, labels={0: "good"})
    assert "do not fit" in refused(rows, labels=["a"])
    test = load_task(
        [{"text": "a", "label": "pos"}, {"text": "b", "label": "pos"}], labels=["neg", "pos"], split="test"
    )
    assert test.test["label"][:] == [1, 1]


def test_splits_keep_equal_texts_together_whatever_the_order(tmp_path):
    rows = [{"text": f"Text {i % 150}" if i < 150 else f"TEXT  {i % 150}", "label": i % 3} for i in range(300)]
    task, other = load_task(rows), load_task(rows[::-1])
    assert task.leaks() == {"validation": [], "test": []}
    assert sum(map(len, task.splits.values())) == 300
    assert list(task.splits) == ["train", "validation", "test"]
    for s, rows in task.splits.items():
        assert sorted(rows["text"]) == sorted(other.splits[s]["text"])
        assert np.bincount(task.label_ids(s)).min() >= len(rows) / 3 - 2
    small, large = load_task("reviews").take(32), load_task("reviews").take(64)
    assert small.train["text"][:] == large.train["text"][:32]
    assert np.bincount(small.label_ids("train")).tolist() == [16, 16]
    assert load_task("reviews").take(32, seed=1).train["text"][:] != small.train["text"][:]
    assert as_task(small) is small


def test_datasets_and_names():
    features = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos", "mixed"])})
    task = load_task(
        Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features), split="train"
    )
    assert task.labels == ["neg", "pos", "mixed"]
    assert task.train["label"][:] == [1, 0]
    assert len(task.unlabelled) == 1
    assert any("'mixed'" in n for n in task.notes)
    assert "Did you mean 'reviews'? Built in" in refused("review")
    assert "not a dictionary" in refused(["a"])
    assert "int is no data source" in refused(3)


def test_parquet(tmp_path):
    rows = {"text": [f"t{i}" for i in range(20)], "label": [float(i % 2) for i in range(20)]}
    Dataset.from_dict(rows).to_parquet(str(tmp_path / "x.parquet"))
    assert load_task(tmp_path / "x.parquet").labels == ["0", "1"]


def test_a_hub_id_without_network(monkeypatch):
    def no_route(repo, *_, **__):
        raise ConnectionError(f"no route to {repo}")

    monkeypatch.setattr("datasets.load_dataset", no_route)
    assert "'nobody/nothing' cannot be had from the hub" in refused("nobody/nothing:sst2@abc")
    asked = []

    def served(repo, config, revision=None):
        asked.append((repo, config, revision))
        found = DatasetDict()
        for s in ("train", "validation", "test"):
            labels = [-1 if s == "test" else i % 2 for i in range(20)]
            found[s] = Dataset.from_dict({"sentence": [f"{s} {i}" for i in range(20)], "label": labels})
        return found

    monkeypatch.setattr("datasets.load_dataset", served)
    task = load_task("nyu-mll/glue:sst2@bcdcba")
    assert asked == [("nyu-mll/glue", "sst2", "bcdcba")]
    assert task.test["sentence"][0] == "validation 0"
    assert len(task.unlabelled) == 20


def test_loading_twice_gives_the_edited_file(tmp_path):
    file = write(tmp_path / "x.csv", "text,label\nold,1\nb,0\n")
    old = load_task(file)
    write(file, "text,label\nnew,1\nb,0\n")
    assert load_task(file).train["text"][:] == ["new", "b"]
    assert old.train["text"][:] == ["old", "b"]


# ---------------------------------------------------------------- real data


@pytest.mark.parametrize(
    "path, how, kind, rows, labels",
    [
        ("glue/SST-2", {}, "classify", (3600, 400, 872), ["0", "1"]),
        ("glue/CoLA", {"text": 3, "label": 1}, "classify", (7696, 855, 1043), ["0", "1"]),
        ("glue/MRPC", {}, "classify", (3302, 366, 408), ["0", "1"]),
        ("glue/STS-B", {"kind": "regress"}, "regress", (5174, 575, 1500), []),
        ("glue/QQP", {}, "classify", (2250, 250, 1000), ["0", "1"]),
        ("glue/MNLI", {}, "classify", (0, 0, 51), ["contradiction", "entailment", "neutral"]),
        ("glue/QNLI", {}, "classify", (0, 0, 5463), ["entailment", "not_entailment"]),
        (
            "glue/RTE",
            {"labels": ["entailment", "not_entailment"]},
            "classify",
            (2241, 249, 277),
            ["entailment", "not_entailment"],
        ),
        ("glue/WNLI", {}, "classify", (572, 63, 71), ["0", "1"]),
        (
            "ag_news",
            {"text": (1, 2), "label": 0, "labels": ["World", "Sports", "Business", "Sci/Tech"]},
            "classify",
            (2700, 300, 1000),
            ["World", "Sports", "Business", "Sci/Tech"],
        ),
        (
            "trec",
            {"pattern": r"(?P<label>\w+):(?P<fine>\w+) (?P<text>.*)"},
            "classify",
            (4906, 546, 500),
            ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"],
        ),
        ("chnsenticorp_htl", {}, "classify", (1600, 200, 200), ["0", "1"]),
        ("pubmedqa", {"text": "QUESTION"}, "classify", (322, 39, 39), ["maybe", "no", "yes"]),
        ("xquad/xquad.en.json", {}, "span", (952, 119, 119), []),
        ("xquad/xquad.zh.json", {}, "span", (952, 119, 119), []),
        ("bert_repo/sample_text.txt", {}, "lm", (3, 0, 0), []),
    ],
)
def test_real_data(path, how, kind, rows, labels):
    task = load_task(real(path), **how)
    assert task.kind == kind
    assert task.labels == labels
    assert not task.problems
    assert tuple(len(task.splits[s]) if s in task.splits else 0 for s in ("train", "validation", "test")) == rows
    texts = [x for d in task.splits.values() for c in task.text for x in d[c][:200]]
    assert {type(x) for x in texts} == {str}
    assert [x for x in texts if not x.strip()] == []
    if kind == "span":
        context, answers = task.test[0]["context"], task.test[0]["answers"]
        assert answers["text"]
        for answer, start in zip(answers["text"], answers["answer_start"], strict=True):
            assert context[start : start + len(answer)] == answer


def test_files_without_a_header_say_what_to_pass():
    assert "text=3, label=1" in refused(real("glue/CoLA"))
    assert "label=0" in refused(real("ag_news"))
    assert 'kind="regress"' in refused(real("glue/STS-B"))


def test_utf8_with_mark_is_not_part_of_the_text():
    assert load_task(real("glue/MRPC")).label == "Quality"
    assert codecs.BOM_UTF8 == real("glue/MRPC/train.tsv").read_bytes()[:3]
