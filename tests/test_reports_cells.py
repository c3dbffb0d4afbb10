"What a cell, a header or a column may mean that is read another way than it was meant (issue 13, kinds 2 and 3)."

import json
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from ftcourse import evaluate_model, load_model, load_task
from ftcourse.core.errors import CourseError
from ftcourse.course.cli.main import main


def refused(*args, **how):
    with pytest.raises(CourseError) as e:
        load_task(*args, **how)
    return str(e.value)


def written(path, *lines, name="x.csv"):
    "A file of these lines."
    (path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path / name


def noted(task, *words):
    "Whether one note has all these words."
    return any(all(w in n for w in words) for n in task.notes)


# ---------------------------------------------------------------- lists of flags


def flagged(*lists, n=12):
    "Rows of different texts with these lists, over and over."
    return [{"text": f"text {i}", "label": lists[i % len(lists)]} for i in range(n)]


@pytest.mark.parametrize(
    "lists",
    [
        [[0, 1], [1, 0]],
        [[False, True], [True, False]],
        [["[0, 1]"], ["[1, 0]"]],
        [np.array([0, 1]), np.array([1, 0])],
        [np.array([False, True]), np.array([True, False])],
        [[0.0, 1.0], [1.0, 0.0]],
    ],
)
def test_t8_two_flags_are_flags(lists):
    lists = [x[0] if isinstance(x[0], str) else x for x in lists]
    task = load_task(flagged(*lists), split="train", kind="multilabel")
    assert [task.labels, task.train["label"][:2]] == [["0", "1"], [[0, 1], [1, 0]]]
    named = load_task(flagged(*lists), split="train", kind="multilabel", labels=["bad", "slow"])
    assert [named.labels, named.train["label"][:2]] == [["bad", "slow"], [[0, 1], [1, 0]]]


def test_t8_a_list_of_fixed_size_in_parquet(tmp_path):
    flags = pa.array([[0, 1], [1, 0]] * 6, pa.list_(pa.int8(), 2))
    pq.write_table(pa.table({"text": [f"text {i}" for i in range(12)], "label": flags}), tmp_path / "x.parquet")
    task = load_task(tmp_path / "x.parquet", split="train")
    assert [task.kind, task.labels, task.train["label"][:2]] == ["multilabel", ["0", "1"], [[0, 1], [1, 0]]]


@pytest.mark.parametrize("cell", [list, str])
def test_t15_truth_values_are_flags(cell):
    lists = [cell([True, False, True]), cell([False, False, True]), cell([True, True, False])]
    task = load_task(flagged(*lists), split="train", kind="multilabel")
    assert task.labels == ["0", "1", "2"]
    assert task.train["label"][:3] == [[1, 0, 1], [0, 0, 1], [1, 1, 0]]


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ([0, 1, 1, 1], "is [0, 1, 1, 1], and other rows have 3 flags"),
        ([1], "is [1], and other rows have 3 flags"),
        ([], "is [], and other rows have 3 flags"),
        ([0, 2, 1], "is [0, 2, 1], and other rows have 3 flags"),
        ([0, -1, 1], "-1 for all where a row is not labelled"),
        ([0.5, 0, 1], "holds 0.5 in a list"),
    ],
)
def test_t15_one_odd_row_is_named_and_the_others_stay_flags(odd, said):
    given = flagged([1, 0, 0], [0, 1, 1], [0, 0, 0], n=40)
    given[7]["label"] = odd
    assert "data row 7: " in refused(given)
    assert said in refused(given)
    task = load_task(given, split="train", on_bad="skip")
    assert [task.labels, len(task.train), len(task.problems)] == [["0", "1", "2"], 39, 1]
    assert task.train["label"][:3] == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    given[7]["label"] = [-1, -1, -1]
    assert len(load_task(given, split="train").unlabelled) == 1


def test_t15_probabilities_are_refused_and_so_are_too_few_names():
    assert "shares and probabilities are not learned" in refused(flagged([0.2, 0.3, 0.5], [0.1, 0.8, 0.1]))
    assert "Give 3 names" in refused(flagged([0, 1, 1], [1, 0, 0]), labels=["a", "b"])


def test_t15_lists_of_numbers_that_are_classes_stay_classes():
    said = refused(flagged([0, 1], [1, 0], [0, 1], [2, 3]))
    assert "is [2, 3], and other rows have 2 flags" in said
    assert "name all classes, labels=[…]" in said  # the cure, below
    task = load_task(flagged([0, 1], [1], [0, 3], [2]), split="train")
    assert [task.labels, task.train["label"][:2]] == [["0", "1", "2", "3"], [[1, 1, 0, 0], [0, 1, 0, 0]]]
    task = load_task(flagged([0, 1], [1, 0], [2, 3]), split="train", labels=["0", "1", "2", "3"])
    assert task.train["label"][:3] == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1]]


# ---------------------------------------------------------------- names for numbers


def stars(*numbers, n=24):
    return [{"text": f"text {i}", "label": numbers[i % len(numbers)]} for i in range(n)]


@pytest.mark.parametrize("numbers", [(1, 2, 3, 4), (2, 3), ("1", "4")])
def test_t27_names_of_numbers_that_begin_at_0_or_at_1_are_asked_about(numbers):
    names = list("abcde")
    said = refused(stars(*numbers), labels=names)
    assert "whether the first name is 0 or 1" in said
    assert "labels={1: 'a', 2: 'b', 3: 'c', 4: 'd', 5: 'e'}" in said
    task = load_task(stars(*numbers), labels=dict(enumerate(names, 1)), split="train")  # the cure
    assert task.labels == names
    assert [names[i] for i in task.train["label"][: len(numbers)]] == [names[int(x) - 1] for x in numbers]


@pytest.mark.parametrize(
    ("numbers", "first"), [((0, 1, 2), 0), ((0, 4), 0), ((1, 2, 3, 4, 5), 1), ((4, 1), 0), ((3, 4), 1)]
)
def test_t27_where_a_number_shows_it_nothing_is_asked(numbers, first):
    names = list("abcde")
    test = [{"text": f"test {i}", "label": x} for i, x in enumerate((first * 5, *numbers))]
    task = load_task({"train": stars(*numbers), "test": test}, labels=names, validation=0)
    assert [names[i] for i in task.train["label"][: len(numbers)]] == [names[x - first] for x in numbers]
    assert load_task(stars(1), labels=["neg", "pos"], split="test").test["label"][:2] == [1, 1]


def test_t27_on_the_command_line_the_cure_has_its_flag(tmp_path, capsys):
    file = written(tmp_path, "text,label", *(f"text {i},{i % 4 + 1}" for i in range(24)))
    assert main(["fine-tune", str(file), "--labels", *"abcde"]) != 0
    said = capsys.readouterr()
    assert "--labels 1=a 2=b 3=c 4=d 5=e" in said.out + said.err


# ---------------------------------------------------------------- a column that says the splits


def with_splits(*splits, n=60, column="split"):
    labels = ["neg", "pos"]
    return [{"text": f"text {i}", "label": labels[i % 2], column: splits[i % len(splits)]} for i in range(n)]


@pytest.mark.parametrize("column", ["split", "set", "Fold"])
@pytest.mark.parametrize("form", ["rows", "csv", "jsonl"])
def test_t23_a_column_of_splits_is_used_and_said(tmp_path, column, form):
    given = with_splits("train", "train", "Dev", "test", column=column, n=400)
    data = Dataset.from_list(given)
    if form != "rows":
        getattr(data, {"csv": "to_csv", "jsonl": "to_json"}[form])(given := str(tmp_path / f"x.{form}"))
    task = load_task(given)
    assert {s: len(d) for s, d in task.splits.items()} == {"train": 200, "validation": 100, "test": 100}
    assert set(task.test["text"]) == {f"text {i}" for i in range(3, 400, 4)}
    assert noted(task, f"column {column!r} says which split", "train 200, validation 100, test 100")
    assert len(load_task(given, split="test").test) == 100


def test_t23_other_values_are_left_out_and_said_and_what_cannot_be_read_is_told_once(tmp_path):
    task = load_task(with_splits("train", "train", "unused", "test", "train"))
    assert noted(task, "12 rows left out", "'unused'", "row 2, 7,")
    assert len(task.test) == 12
    lines = [f"text {i},{i % 2},{['train', 'test'][i % 3 == 0]}" for i in range(40)]
    task = load_task(written(tmp_path, "text,label,split", *lines, "a,b,1,train", " ,1,test"), on_bad="skip")
    assert [p.line for p in task.problems] == [42, 43]


def test_t23_a_train_and_dev_column_is_scored_on_dev_and_one_split_alone_is_a_table():
    task = load_task(with_splits("train", "train", "dev"))
    assert len(task.test) == 20
    assert noted(task, "scored as the test split")
    with pytest.warns(UserWarning, match="column 'split' says which split a row is of"):
        report = evaluate_model(
            load_model("tiny-bert", head="classify", labels=["neg", "pos"]), with_splits("train", "train", "test")
        )
    assert report.rows == 20
    alone = load_task(with_splits("test"), split="test")
    assert [len(alone.test), noted(alone, "split")] == [60, False]
    assert len(load_task(with_splits("train", "tea", "pan"), split="train").train) == 60
    told = load_task(with_splits("train", "test"), label="split")  # asked for: a label as any other
    assert told.labels == ["test", "train"]


def test_t23_a_column_that_says_another_split_than_was_given_is_said():
    given = with_splits("train", "train", "test")
    with pytest.warns(UserWarning, match="its column 'split' says test of 20 rows"):
        task = load_task({"train": given})
    assert noted(task, "train is read as train, although its column 'split' says test of 20 rows")
    assert not noted(load_task({"train": with_splits("train"), "test": with_splits("test")[:9]}), "'split'")


# ---------------------------------------------------------------- cells that say that they hold nothing


def labelled(*labels, n=60):
    return [{"text": f"text {i}", "label": labels[i % len(labels)]} for i in range(n)]


@pytest.mark.parametrize("gap", ["NaN", "nan", "N/A", "#N/A", "null", "NULL", "<NA>", "#REF!", "#VALUE!", "NaT", "\\N"])
@pytest.mark.parametrize("kind", [None, "multilabel"])
def test_t4_a_label_that_says_nothing_is_no_label_and_said(gap, kind):
    task = load_task(labelled("neg", "pos", gap), split="train", kind=kind)
    assert [task.labels, len(task.train), len(task.unlabelled)] == [["neg", "pos"], 40, 20]
    assert noted(task, repr(gap), "read as no label", "labels=[…]")
    assert noted(task, "20 rows without a label set apart (row 2, 5,")
    assert load_task(labelled("neg", "pos", gap), split="train", labels=["neg", "pos", gap]).labels[2] == gap
    assert (
        load_task(labelled("neg", "pos", gap), split="train", labels={"neg": "a", "pos": "b", gap: "c"}).labels[2]
        == "c"
    )


@pytest.mark.parametrize("gap", ["None", "NA", "?", "-"])
def test_t4_a_label_that_may_say_nothing_is_a_class_and_said(gap):
    task = load_task(labelled("neg", "pos", gap), split="train")
    assert gap in task.labels
    assert noted(task, f"label {gap!r} (20 rows) is a class like the others")
    assert not noted(
        load_task(labelled("neg", "pos", gap), split="train", labels=["neg", "pos", gap]), "like the others"
    )
    assert not noted(load_task(labelled("favor", "against", "none"), split="train"), "like the others")


def test_t4_in_a_large_file_too(tmp_path):
    lines = [f"text {i},{['neg', 'pos', '#N/A'][i % 3]}" for i in range(900)]
    task = load_task(written(tmp_path, "text,label", *lines), split="train")
    assert [task.labels, len(task.unlabelled)] == [["neg", "pos"], 300]


@pytest.mark.parametrize("gap", ["NaN", " n/a", "null", "None", "[deleted]", "[removed]", "#REF!"])
@pytest.mark.parametrize("n", [40, 900])
def test_t29_texts_that_say_nothing_are_noted(tmp_path, gap, n):
    lines = [f"{gap if i % 20 == 7 else f'text {i}'},{['neg', 'pos'][i % 2]}" for i in range(n)]
    task = load_task(written(tmp_path, "text,label", *lines), split="train")
    assert noted(task, f"{n // 20} texts are no more than {gap.strip()!r} (line 9, 29")
    assert not noted(load_task(labelled("neg", "pos"), split="train"), "no more than")


@pytest.mark.parametrize("gap", ["N/A", "#N/A", "null", "None", "NaN", "#DIV/0!"])
def test_t31_a_score_that_says_nothing_is_no_score(gap):
    task = load_task(labelled("1.5", "2.5", gap), split="train", kind="regress")
    assert [len(task.train), len(task.unlabelled)] == [40, 20]


# ---------------------------------------------------------------- a header among the rows


@pytest.mark.parametrize("n", [40, 900])
@pytest.mark.parametrize("again", ["text,label", "Text,LABEL", '"text","label"'])
def test_t38_a_header_that_comes_again_is_named(tmp_path, n, again):
    lines = [f"text {i},{['neg', 'pos'][i % 2]}" for i in range(n)]
    file = written(tmp_path, "text,label", *lines, again, *(f"more {x}" for x in lines))
    said = refused(file)
    assert f"x.csv:{n + 2}: this row says the names of the columns again (text, label). take it out" in said.lower()
    task = load_task(file, on_bad="skip", split="train")
    assert [task.labels, len(task.train), len(task.problems)] == [["neg", "pos"], 2 * n, 1]


def test_t38_a_row_that_is_no_header_stays(tmp_path):
    lines = [f"text {i},{['neg', 'pos'][i % 2]}" for i in range(300)]
    file = written(tmp_path, "text,label", *lines, "text,neg", "label,pos")
    assert len(load_task(file, split="train").train) == 302
    numbers = written(tmp_path, *(f"{i},{i % 2}" for i in range(300)), name="n.csv")
    assert len(load_task(numbers, text=0, label=1, split="train").train) == 300


def test_t38_a_header_that_comes_again_in_a_sheet(tmp_path):
    pytest.importorskip("openpyxl")
    from openpyxl import Workbook

    book = Workbook()
    for row in (("text", "label"), ("a", "neg"), ("b", "pos"), ("text", "label"), ("c", "neg")):
        book.active.append(row)
    book.save(tmp_path / "x.xlsx")
    assert "x.xlsx:4: this row says the names" in refused(tmp_path / "x.xlsx")
    assert len(load_task(tmp_path / "x.xlsx", on_bad="skip", split="train").train) == 3


def test_t17_a_header_beside_columns_is_named(tmp_path):
    file = written(tmp_path, "text,label", *(f"text {i},{i % 2}" for i in range(20)))
    assert "x.csv:1: this row is a header (text, label)" in refused(file, columns=["text", "label"])
    assert "Leave columns= out" in refused(file, columns=["text", "label"])
    said = refused(file, columns=["words", "stars"], text="words", label="stars")
    assert "x.csv:1: this row is a header (text, label)" in said
    assert len(load_task(file, split="train").train) == 20


# ---------------------------------------------------------------- numbers as people write them


def priced(path, *prices, sep=",", n=30):
    lines = [f'text {i}{sep}"{prices[i % len(prices)]}"' for i in range(n)]
    return written(path, f"text{sep}price", *lines)


@pytest.mark.parametrize(
    ("cell", "cure"),
    [
        ("1,100", "It may be 1100 or 1.100: write 1100, or 1.1"),
        ("1,100.50", "thousands: 1100.50"),
        ("1.100,50", "decimal point: 1100.50"),
        ("$3.50", "Write the number alone: 3.50"),
        ("€ 3,50", "Write it with a decimal point: 3.50"),
        ("5%", "Write the number alone: 5"),
        ("1'100.5", "Write the number alone: 1100.5"),
        ("(3.50)", "Write the number alone: -3.50"),
        ("4/5", "Write one number"),
        ("10 of 12", "Write one number"),
        ("3,8", "Write it with a decimal point: 3.8"),
    ],
)
def test_t1_the_cure_of_a_number_fits_it(tmp_path, cell, cure):
    said = refused(priced(tmp_path, "950", cell), label="price", kind="regress")
    assert cure in said
    assert "x.csv:3" in said


def test_t1_commas_between_thousands_are_not_said_to_be_decimal(tmp_path):
    said = refused(priced(tmp_path, "1,100", "2,350", "1,100.50"), label="price")
    assert "decimal" not in said
    assert "It may be 1100 or 1.100" in said
    assert "decimal comma" in refused(priced(tmp_path, "1,1", "2,350"), label="price")


def test_t2_points_before_three_digits_beside_whole_numbers_are_asked_about(tmp_path):
    said = refused(priced(tmp_path, "1.100", "950", sep=";"), label="price", kind="regress")
    assert "'1.100' beside '950'" in said
    assert "write 1100, or 1.1" in said
    for prices in (["1100", "950"], ["1.1", "950"], ["1.100", "950.5"], ["0.125", "1"]):
        assert load_task(priced(tmp_path, *prices, sep=";"), label="price", kind="regress", split="train")
    assert load_task(priced(tmp_path, "1.100", "950"), label="price", kind="regress", split="train")


# ---------------------------------------------------------------- lists that are none


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("['food', 'dri...", "begins like a list and is not a whole one"),
        ('["food", "dri', "begins like a list and is not a whole one"),
        ("[food, dri", "begins like a list and is not a whole one"),
        ("('drink')", "begins like a list and is not a whole one"),
        ("{'food': 1, 'drink': 0}", "an object and no list of classes"),
    ],
)
@pytest.mark.parametrize("others", [("['food', 'drink']", "['food']"), ("food", "food|drink")])
def test_t7_a_cell_that_begins_like_a_list_is_named(cell, said, others):
    given = labelled(*others)
    given[7]["label"] = cell
    assert "data row 7: " in refused(given, kind="multilabel")
    assert said in refused(given, kind="multilabel")
    task = load_task(given, kind="multilabel", on_bad="skip", split="train")
    assert [task.labels, len(task.problems)] == [["drink", "food"], 1]


def test_t7_among_lists_of_one_class_too_and_a_class_with_a_bracket_stays():
    given = labelled("['food']", "['drink']")
    given[7]["label"] = "['foo"
    assert "data row 7: 'label' is \"['foo\"" in refused(given)
    assert load_task(labelled("[draft]", "[draft", "final"), split="train").labels == ["[draft", "[draft]", "final"]
    assert load_task(labelled("(old) news", "new|(old) news"), kind="multilabel", split="train").labels == [
        "(old) news",
        "new",
    ]
    named = load_task(labelled("[x", "y"), kind="multilabel", labels=["[x", "y"], split="train")
    assert named.labels == ["[x", "y"]


# ---------------------------------------------------------------- several columns of usual names


def wide(*columns, n=30):
    return [{c: f"{c} {i}" if k < len(columns) - 1 else i % 2 for k, c in enumerate(columns)} for i in range(n)]


def test_t19_text_and_text_pair_are_a_pair():
    task = load_task(wide("text", "text_pair", "label"))
    assert task.text == ("text", "text_pair")
    assert load_task(wide("text", "text_pair", "label"), text="text").text == ("text",)
    assert load_task(wide("text", "text_pair"), kind="lm").text == ("text",)


def test_t28_columns_that_could_be_meant_too_are_said():
    task = load_task(wide("comment", "review", "label"))
    assert noted(task, "text is 'review'", "'comment' could be one", "text='comment'", "text=('review', 'comment')")
    assert load_task(wide("comment", "review", "label"), text=("review", "comment")).text == ("review", "comment")
    assert not noted(load_task(wide("comment", "review", "label"), text="review"), "could be one")
    given = [row | {"sentiment": i % 3, "topic": i % 5} for i, row in enumerate(wide("text", "x"))]
    task = load_task(given)
    assert noted(task, "the label is 'sentiment'", "'topic' could be one", "label='topic'")
    assert not noted(load_task(given, label="topic"), "could be one")
    assert not noted(load_task(wide("premise", "hypothesis", "label")), "could be one")


# ---------------------------------------------------------------- labels that are almost one


@pytest.mark.parametrize(
    "alike",
    [
        ("non-toxic", "non\u2013toxic", "non toxic", "non_toxic"),
        ("very_good", "very good"),
        ("don't", "don\u2019t"),
        ("good", "good."),
        ("a &amp; b", "a & b"),
        ("01", "1"),
        ("+1", "1"),
    ],
)
def test_t30_labels_that_differ_only_in_marks_are_noted(alike):
    task = load_task(labelled(*alike, "other"), split="train")
    assert noted(task, *map(repr, alike), "differ only in marks", "separate classes")
    assert not noted(load_task(labelled(*alike, "other"), split="train", labels=[*alike, "other"]), "in marks")


def test_t30_labels_that_differ_in_more_are_not_noted():
    for labels in (("C", "C++", "C#"), ("-1", "1", "0"), ("1.5 stars", "2 stars"), ("?", "-", "x"), ("a", "b")):
        assert not noted(load_task(labelled(*labels), split="train"), "differ only")


@pytest.mark.parametrize("mixed", [("yes", "no", "1", "0"), ("Y", "YES", "n", "No"), ("yes", "no", "y")])
def test_t3_yes_and_no_in_several_ways_are_noted(mixed):
    assert noted(load_task(labelled(*mixed), split="train"), "say yes or no in several ways")
    assert not noted(load_task(labelled("yes", "no"), split="train"), "several ways")
    assert not noted(load_task(labelled("yes", "no", "maybe", "y"), split="train"), "several ways")


def test_t30_t5_a_slip_and_a_total_are_named():
    given = labelled("positive", "negative")
    given[7]["label"] = "postive"
    assert noted(load_task(given), "label 'postive' (1 row) is almost 'positive' (30 rows)")
    given[7]["label"] = "Total"
    assert noted(load_task(given), "1 of 3 labels are not in it ('Total')")
    many = [{"text": f"text {i}", "labels": ["positive", ["long", "lomg"][i == 9]]} for i in range(40)]
    assert noted(load_task(many), "label 'lomg' (1 row)") is False  # too short to tell
    many[9]["labels"] = ["positve"]
    assert noted(load_task(many), "label 'positve' (1 row) is almost 'positive'")
    for near in (("class 10", "class 11"), ("entailment", "not_entailment")):
        given = labelled(near[0], "other")
        given[7]["label"] = near[1]
        assert not noted(load_task(given), "is almost")


# ---------------------------------------------------------------- what programs write


PRODIGY = {"_input_hash": 1, "_task_hash": 2, "_session_id": None}


@pytest.mark.parametrize("form", ["label", "accept"])
@pytest.mark.parametrize("hashes", [PRODIGY, {}])
def test_t25_what_was_rejected_or_ignored_in_prodigy_is_no_label(tmp_path, form, hashes):
    answers = ["accept", "reject", "accept", "ignore"]
    labels = ["neg", "pos", "pos"]
    given = [
        {"text": f"text {i}", form: labels[i % 3] if form == "label" else [labels[i % 3]], "answer": answers[i % 4]}
        | hashes
        for i in range(60)
    ]
    file = written(tmp_path, *map(json.dumps, given), name="x.jsonl")
    for source in (file, given):
        task = load_task(source, split="train")
        assert [task.labels, len(task.train), len(task.unlabelled)] == [["neg", "pos"], 30, 30]
        assert noted(task, "30 rows that were rejected or ignored in Prodigy")
    told = load_task(file, label="answer", split="train")
    assert [told.labels, noted(told, "Prodigy")] == [["accept", "ignore", "reject"], False]


def test_t25_one_label_that_was_accepted_or_rejected():
    given = [{"text": f"text {i}", "label": "POS", "answer": ["accept", "reject"][i % 2], **PRODIGY} for i in range(40)]
    assert 'pass label="answer" to predict that' in refused(given)
    assert load_task(given, label="answer", split="train").labels == ["accept", "reject"]


def test_t25_an_answer_of_another_kind_is_a_column():
    given = [{"text": f"text {i}", "label": i % 2, "answer": ["yes", "no"][i % 2]} for i in range(20)]
    task = load_task(given, split="train")
    assert [len(task.train), task.unlabelled] == [20, None]


@pytest.mark.parametrize("form", ["{}\n{}", "[{}, {}]"])
def test_t9_a_key_that_comes_twice_is_named(tmp_path, form):
    good, bad = '{"text": "a", "label": "x"}', '{"text": "b", "label": "x", "label": "y"}'
    name = "x.jsonl" if form[0] == "{" else "x.json"
    said = refused(written(tmp_path, form.format(good, bad), name=name), split="train")
    assert "the key 'label' twice" in said
    assert ("x.jsonl:2" if form[0] == "{" else "element 1") in said


def test_t14_an_enum_of_polars_keeps_its_classes():
    polars = pytest.importorskip("polars")
    kind = polars.Enum(["positive", "negative", "x"])
    frame = polars.DataFrame(
        {"text": [f"text {i}" for i in range(20)], "label": ["negative", "positive"] * 10},
        schema_overrides={"label": kind},
    )
    assert load_task(frame, split="train").labels == ["positive", "negative", "x"]


def test_t20_a_label_of_its_own_for_each_row_is_no_class():
    given = [{"text": ["neg", "pos"][i % 2], "label": f"a review of its own, number {i}"} for i in range(40)]
    assert "40 different values in 40 rows" in refused(given)
    assert len(load_task(given, kind="classify", split="train").labels) == 40
    assert load_task(given[:8], split="train").kind == "classify"


def sheet(path, *rows):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path / "x.xlsx")
    return path / "x.xlsx"


def test_t11_a_date_in_the_place_of_a_label_is_named(tmp_path):
    file = sheet(tmp_path, ("text", "label"), ("a", datetime(2024, 2, 1)), ("b", "3-5"), ("c", "1-2"), ("d", "3-5"))
    assert "x.xlsx:2: 'label' is a date or time (2024-02-01 00:00:00)" in refused(file)
    assert load_task(file, on_bad="skip", split="train").labels == ["1-2", "3-5"]
    rows = [{"text": f"text {i}", "label": date(2024, 2, 1 + i % 2)} for i in range(12)]
    assert "is a date or time (2024-02-01)" in refused(rows)


def test_t10_a_formula_without_its_value_is_named(tmp_path):
    rows = [(f"text {i}", "neg" if i % 2 else "pos", f"=ROW({i})") for i in range(10)]
    assert len(load_task(sheet(tmp_path, ("text", "label", "n"), *rows), split="train").train) == 10
    rows[3] = ("text 3", '="ne" & "g"', None)
    rows[5] = ('="text" & 5', "neg", None)
    said = refused(sheet(tmp_path, ("text", "label", "n"), *rows))
    assert "x.xlsx:5: 'label' is the formula '=\"ne\" & \"g\"', whose value is not in the file" in said
    assert "x.xlsx:7: 'text' is the formula" in said
    assert "Open the file in Excel" in said
