"Rows as real exports write them: what is not labelled, several labels in a cell, answers (issue 13, kinds 2 to 5)."

import json
import re
import unicodedata
import warnings
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from ftcourse import evaluate_model, fine_tune_model, load_model, load_task
from ftcourse.core.errors import CourseError
from ftcourse.data.problems import BadRows
from ftcourse.tasks.qa import read_squad

CASES = Path(__file__).resolve().parent.parent.parent / "shared" / "cases" / "turn2"
CONTEXT = "The north gate opened in May. Mara built it. Later Mara left the town for good."
GOOD = [
    {"id": 1, "question": "Who built it?", "answers": [{"text": "Mara", "answer_start": 30}]},
    {"id": 2, "question": "When?", "answers": [{"text": "May", "answer_start": 25}]},
]


def case(name):
    file = CASES / name
    if not file.exists():
        pytest.skip("the cases are not beside the repository")
    return str(file)


def rows(*labels, word="text"):
    return [{"text": f"{word} {i}", "label": x} for i, x in enumerate(labels)]


def asked(answers, **more):
    return {"question": "Who left?", "context": CONTEXT, "answers": answers, **more}


def squad(path, *questions, context=CONTEXT):
    "A file in SQuAD's form: two good questions, and these."
    asked = [{"id": 3 + i, "question": "Who left?", **q} for i, q in enumerate(questions)]
    whole = {"data": [{"paragraphs": [{"context": context, "qas": [*GOOD, *asked]}]}]}
    (path / "squad.json").write_text(json.dumps(whole), encoding="utf-8")
    return str(path / "squad.json")


def refused(*args, **how):
    with pytest.raises(CourseError) as e:
        load_task(*args, **how)
    return str(e.value)


def warned(*args, **how):
    "A task, and what was warned about while it was loaded."
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        task = load_task(*args, **how)
    return task, " ".join(str(w.message) for w in heard)


def vectors(task, split="train"):
    "{text: its labels} of a multilabel task."
    found = task.split(split)
    return {
        text: {task.labels[i] for i, on in enumerate(ids) if on}
        for text, ids in zip(found["text"], found[task.label], strict=True)
    }


# ---------------------------------------------------------------- unlabelled is not labelled


def test_a_d09_a_split_of_nothing_but_minus_one_is_set_apart_where_minus_one_is_a_class():
    splits = {"train": rows(-1, 0, 1, -1, 0, 1), "test": rows(-1, -1, -1, -1, word="t")}
    task, heard = warned(splits)
    assert task.labels == ["-1", "0", "1"]
    assert len(task.unlabelled) == 4
    assert "every label is -1" in heard
    assert any("every label is -1" in n for n in task.notes)
    with pytest.raises(CourseError, match="cannot be scored"):
        task.split("test")
    named, heard = warned(splits, labels=["-1", "0", "1"])  # the cure
    assert len(named.test) == 4
    assert not heard


def test_a_d09_scores_of_nothing_but_minus_one_and_lists_of_them():
    scores, heard = warned({"train": rows(0.5, 1.5, -1), "test": rows(-1, -1.0, word="t")}, kind="regress")
    assert len(scores.unlabelled) == 2
    assert "every score is -1" in heard
    assert len(load_task(rows(-1, 0.5, -1, 2), kind="regress", split="test").test) == 4
    lists = load_task({"train": rows([0, 1], [1, 1], [0, 0]), "test": rows([-1, -1], [-1, -1], word="t")})
    assert len(lists.unlabelled) == 2
    mixed = {"train": rows(-1, 0, 1), "test": rows(-1, 0, word="t")}
    assert len(load_task(mixed).test) == 2


@pytest.mark.parametrize("name", ["sq_test", "sq_noans", "sq_notyet"])
def test_e04_questions_without_answers_are_not_labelled(name):
    file = case(f"e04-squad-without-answers.{name}.json")
    task = load_task(file, split="test")
    if name == "sq_test":
        assert len(task.unlabelled) == 2
        with pytest.raises(CourseError, match="no labels"):
            task.split("test")
    else:
        assert len(task.test) == 2
        assert task.unlabelled["question"][:] == ["Who left?"]
        assert any("1 row without a label set apart (row 3)" in n for n in task.notes)
    with pytest.raises(BadRows, match="question 3.*not labelled"):
        read_squad(file)


@pytest.mark.parametrize("given", [{}, {"answers": None}, {"answers": [], "is_impossible": False}])
def test_e04_carried(tmp_path, given):
    file = squad(tmp_path, given)
    task = load_task(file, split="test")
    assert [len(task.test), len(task.unlabelled)] == [2, 1]
    found = []
    assert [r["id"] for r in read_squad(file, found)] == [1, 2]
    assert "question 3" in str(found[0])


def test_e04_a_split_whose_answers_are_all_empty_is_not_labelled():
    none = {"text": [], "answer_start": []}
    given = asked({"text": ["Later"], "answer_start": [45]})
    task, heard = warned({"train": [given, asked(none)], "test": [asked(none)] * 3})
    assert "no question has an answer" in heard
    assert len(task.unlabelled) == 3
    with pytest.raises(CourseError, match="cannot be scored"):
        task.split("test")
    assert task.train["answers"][1]["text"] == []  # among others it says that there is none
    said = load_task([asked(none, is_impossible=True)] * 3, split="test")
    assert len(said.test) == 3


def test_e22_lists_of_one_label_are_classes_and_an_empty_list_is_none():
    task = load_task(case("e22-doccano-one-label-lists.dc.jsonl"))
    assert task.kind == "classify"
    assert task.labels == ["bad", "good"]
    assert task.unlabelled["line"][:] == [1, 5, 9]
    assert any("lists of one class each" in n for n in task.notes)


@pytest.mark.parametrize("how", [{}, {"kind": "classify"}])
def test_e22_carried(how):
    task = load_task(rows(["good"], [], ["bad"], ["good"]), split="train", **how)
    assert [task.kind, task.labels] == ["classify", ["bad", "good"]]
    assert task.train["label"][:] == [1, 0, 1]
    assert len(task.unlabelled) == 1
    text = load_task(rows("['good']", "[]", '["bad"]'), split="train", **how)
    assert [text.labels, len(text.unlabelled)] == [["bad", "good"], 1]


def test_e22_an_empty_list_among_several_is_said_and_alone_no_label():
    task = load_task(rows(["a"], [], ["a", "b"]), split="train")
    assert vectors(task)["text 1"] == set()
    assert any("1 row with an empty list" in n for n in task.notes)
    task, heard = warned({"train": rows(["a"], ["a", "b"]), "test": rows([], [], word="t")})
    assert len(task.unlabelled) == 2
    assert "every list of labels is empty" in heard
    assert not len(load_task(rows([], [], [])).splits)


def test_e27_rows_of_minus_one_in_label_columns_are_not_labelled():
    files = {s: case(f"e27-jigsaw-minus-one.jig_{s}.csv") for s in ("train", "test")}
    task = load_task(files, text="comment_text", label=["toxic", "insult"])
    unknown = [line for line in Path(files["test"]).read_text().splitlines() if line.endswith("-1,-1")]
    assert len(task.unlabelled) == len(unknown) > 0
    assert set(task.unlabelled["split"]) == {"test"}
    assert any("without a label set apart" in n for n in task.notes)


def test_e27_carried():
    given = [
        {"text": "a", "x": -1, "y": -1},
        {"text": "b", "x": "TRUE", "y": "false"},
        {"text": "c", "x": 1.0, "y": "0.0"},
        {"text": "d", "x": -1, "y": 0},
        {"text": "e", "x": None, "y": "-1"},
    ]
    task = load_task(given, label=["x", "y"], split="test", on_bad="skip")
    assert task.unlabelled["text"][:] == ["a", "e"]
    assert [p.line for p in task.problems] == [3]
    assert "all of them -1" in task.problems[0].cure
    assert vectors(task, "test") == {"b": {"x"}, "c": {"x"}}


# ---------------------------------------------------------------- label cells


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("ml_comma", ["arts", "politics", "sport"]),
        ("ml_semi", ["arts", "politics", "sport"]),
        ("ml_pylist", ["a", "b", "c"]),
        ("ml_onehot", ["0", "1", "2"]),
        ("ls2", ["a", "b"]),
    ],
)
def test_e02_several_labels_in_one_cell(name, labels):
    file = case(f"e02-multilabel-in-one-string.{name}.csv")
    task = load_task(file, kind="multilabel", split="train")
    assert task.labels == labels
    said = refused(file)
    assert 'kind="multilabel"' in said
    assert 'kind="classify"' in said
    assert load_task(file, kind="classify").kind == "classify"


@pytest.mark.parametrize(
    ("cells", "right"),
    [
        (("a,b", "a", "b, c"), [{"a", "b"}, {"a"}, {"b", "c"}]),
        (("a;b", "a", ";b; c;"), [{"a", "b"}, {"a"}, {"b", "c"}]),
        (("a|b,1", "a", "c"), [{"a", "b,1"}, {"a"}, {"c"}]),
        (("['a', 'b']", "['a']", "[]"), [{"a", "b"}, {"a"}, set()]),
        (('["a","b"]', '["a"]', '["c"]'), [{"a", "b"}, {"a"}, {"c"}]),
        (("['a' 'b']", "['a']", '["b" "c"]'), [{"a", "b"}, {"a"}, {"b", "c"}]),
        (('{"choices": ["a", "b"]}', "a", "b"), [{"a", "b"}, {"a"}, {"b"}]),
        (("[1, 3]", "[2]", "3"), [{"1", "3"}, {"2"}, {"3"}]),
        (("[a, b c]", "[a]", "[]"), [{"a", "b c"}, {"a"}, set()]),
        (("('a', 'b')", "('a',)", "{'c'}"), [{"a", "b"}, {"a"}, {"c"}]),
        (("{a,b}", "{a}", "c"), [{"a", "b"}, {"a"}, {"c"}]),
        (("1,2", "3", "2"), [{"1", "2"}, {"3"}, {"2"}]),
        ((["a", "b"], "a", ["c"]), [{"a", "b"}, {"a"}, {"c"}]),
    ],
)
def test_e02_cells_are_understood(cells, right):
    task = load_task(rows(*cells), kind="multilabel", split="train")
    assert list(vectors(task).values()) == right


def test_e02_a_sign_is_asked_for_where_two_could_be_meant_and_a_given_name_is_never_split():
    assert "Write one sign throughout" in refused(rows("a;b", "b,c", "a"), kind="multilabel")
    given = load_task(rows("a;b,c", "b,c", "a"), kind="multilabel", split="train", labels=["a", "b,c"])
    assert list(vectors(given).values()) == [{"a", "b,c"}, {"b,c"}, {"a"}]
    task = load_task(rows("a,b", "b"), kind="multilabel", split="train")
    assert any("'a,b' are split at ','" in n for n in task.notes)
    assert "seems to hold several labels" in refused(rows("a,b", "a", "c,d"))
    for names in (["World, arts", "World, sport", "World, news"], ["[0, 5)", "[5, 9)", "[0, 5)"]):
        assert load_task(rows(*names), split="train").labels == sorted(set(names))


def test_e02_a_list_that_cannot_be_read_is_named_by_its_row():
    task = load_task(rows("['a']", "['a', None]", "[[0, 3, 'DET']]", "[null]"), kind="multilabel", on_bad="skip")
    assert [p.line for p in task.problems] == [1, 2]
    assert "spans of a text" in task.problems[1].what
    assert len(task.unlabelled) == 1
    assert "holds nothing in one place" in refused(rows(["a", None], ["b"]))


@pytest.mark.parametrize("column", ["list", "class"])
def test_e10_a_list_of_class_labels_keeps_its_names(column):
    names = ["anger", "joy", "fear", "pride"]
    features = Features({"text": Value("string"), "label": List(ClassLabel(names=names))})
    labels = [[0], [0, 1], [2], [1, 2]] if column == "list" else [[0], [1], [2], []]
    data = Dataset.from_dict({"text": [f"t {i}" for i in range(4)], "label": labels}, features=features)
    task = load_task(data, split="train")
    assert task.labels == names
    assert task.kind == ("multilabel" if column == "list" else "classify")
    if column == "list":
        assert list(vectors(task).values()) == [{"anger"}, {"anger", "joy"}, {"fear"}, {"joy", "fear"}]
        assert load_task(data, split="train", labels=names[::-1]).labels == names[::-1]


def test_e11_bytes_that_are_not_utf8_in_the_label_are_named():
    said = refused(case("e11-cp1252-label-column.x_cpl.csv"))
    assert "'Label' holds the byte 0xe9" in said
    assert "iconv" in said
    assert ".csv:2" in said


def test_e11_carried(tmp_path):
    file = tmp_path / "x.csv"
    file.write_bytes("text,label\ngood,oui\nbad,non\nfine,n\xe9gatif\n".encode("latin-1"))
    assert "x.csv:4: 'label' holds the byte 0xe9" in refused(file)
    task = load_task(file, on_bad="skip", split="train")
    assert task.labels == ["non", "oui"]
    assert "0xe9" in refused(file, kind="multilabel")
    (tmp_path / "half.jsonl").write_text('{"text": "a", "label": ["\\ud83d"]}\n{"text": "b", "label": ["x"]}')
    assert "half of a character" in refused(tmp_path / "half.jsonl")


@pytest.mark.parametrize("name", ["dec", "dec60"])
def test_e13_decimal_commas_ask_for_regress(name):
    said = refused(case(f"e13-decimal-comma-scores.{name}.csv"))
    assert 'kind="regress"' in said
    assert "decimal comma" in said


def test_e13_carried():
    for cells in (
        ("0,5", "1,5", "2"),
        ("-0,5", "1,0", "2,25"),
        ("1,0", "3,5", "1,0", "3.5"),
        ("1.234,5", "0,5", "NA"),
    ):
        assert 'kind="regress"' in refused(rows(*cells))
        with_points = [c.replace(".", "").replace(",", ".").replace("NA", "") for c in cells]  # the cure
        assert load_task(rows(*with_points), kind="regress", split="train").kind == "regress"
        assert load_task(rows(*cells), kind="classify", split="train").kind == "classify"


def test_e21_spans_are_refused_by_name():
    said = refused(case("e21-doccano-spans.dc_ner.jsonl"))
    assert "spans of a text" in said
    assert "[0, 3, 'DET']" in said


@pytest.mark.parametrize("label", [[[0, 3, "DET"]], [(0, 3, "DET")], [{"start": 0, "end": 3, "label": "DET"}]])
@pytest.mark.parametrize("kind", [None, "classify", "multilabel"])
def test_e21_carried(label, kind):
    assert "spans of a text" in refused(rows(label, label), kind=kind)


def test_booleans_spelled_differently_in_two_files_are_one():
    for words in (("true", "FALSE"), (True, False), (1, 0), ("1.0", "0")):
        task = load_task({"train": rows("True", "False", "True"), "test": rows(*words, word="t")})
        assert task.labels == ["False", "True"]
        assert task.test["label"][:] == [1, 0]
        same = words[0] is True
        assert same != any("truth values" in n for n in task.notes)
    assert load_task(rows("true", "false", "mixture"), split="train").labels == ["false", "mixture", "true"]


def test_a_label_of_nothing_that_shows_is_no_label():
    task = load_task(rows("a", "\u200b", "b", "\ufeff "), split="train")
    assert [task.labels, len(task.unlabelled)] == [["a", "b"], 2]


def test_labels_that_look_alike_are_noted_as_capitals_are():
    for a, b in [("café", unicodedata.normalize("NFD", "café")), ("pos", "pos\u200b"), ("a b", "a\u00a0b")]:
        task = load_task(rows(a, b, "other"), split="train")
        assert len(task.labels) == 3
        assert any("separate classes" in n and ascii(b) in n for n in task.notes)
        said = refused({"train": rows(a, "other"), "test": rows(b, "other", word="t")})
        assert f"It differs from {ascii(a)} only in" in said


# ---------------------------------------------------------------- one strict reader of answers


def both(path, wrong, what, context=CONTEXT):
    "What both readers say of question 3; load_task keeps the rest."
    file = squad(path, wrong, context=context)
    found = []
    assert [r["id"] for r in read_squad(file, found)] == [1, 2]
    task = load_task(file, split="test", on_bad="skip")
    assert len(task.test) == 2
    (one,), (other,) = found, task.problems
    assert (one.what, one.cure) == (other.what, other.cure)
    assert re.search(what, str(one)), one
    assert "question 3" in one.what
    assert "question 3" in refused(file)
    return one.cure


def test_e03_impossible_and_answered(tmp_path):
    wrong = {"is_impossible": True, "answers": [{"text": "Mara", "answer_start": 30}]}
    both(tmp_path, wrong, "it is_impossible, and yet it has answers")
    none = squad(tmp_path, {"is_impossible": True, "answers": []})
    assert load_task(none, split="test").test["answers"][2]["text"] == read_squad(none)[2]["answers"]["text"] == []
    assert "question 3" in refused(case("e03-squad-impossible-with-answers.sq_imp.json"))


@pytest.mark.parametrize("start", [-1, 3, None, 30.0, "30", "x", True])
def test_e06_places_that_cannot_be_used_and_both_that_could_be_meant(tmp_path, start):
    cure = both(tmp_path, {"answers": [{"text": "Mara", "answer_start": start}]}, "the answer 'Mara'")
    assert "30 and 51: write answer_start=30 or 51" in cure
    cure = both(tmp_path, {"answers": [{"text": "Later", "answer_start": start}]}, "the answer 'Later'")
    assert cure == "It stands at 45: write answer_start=45"


def test_e06_a_plain_answer_that_stands_twice_is_asked_about(tmp_path):
    for answer in ("Mara", ["Mara"], {"text": ["Mara"], "answer_start": []}, {"text": "Mara"}):
        assert "stands in the context at 30 and 51" in refused([asked(answer)])
    table = {"question": "Who left?", "context": CONTEXT, "answer": "Mara"}
    for start in (51, "51", " 51"):  # the cure
        task = load_task([table | {"answer_start": start}], split="test")
        assert task.test["answer"][0] == {"text": ["Mara"], "answer_start": [51]}
    assert load_task([asked("Later")], split="test").test["answers"][0]["answer_start"] == [45]
    assert "at 30 and 51" in refused(case("e06-answer-without-start-twice.qa_none.csv"))
    assert "30 or 51" in refused(case("e06-answer-without-start-twice.sq_m1.json"))


@pytest.mark.parametrize("text", ["", " ", None])
def test_e07_e08_empty_and_null_answers(tmp_path, text):
    cure = both(tmp_path, {"answers": [{"text": text, "answer_start": -1}]}, "an answer is (empty|null)")
    assert '"answers": [] and "is_impossible": true' in cure
    mended = squad(tmp_path, {"answers": [], "is_impossible": True})  # the cure
    assert len(load_task(mended, split="test").test) == len(read_squad(mended)) == 3
    assert "an answer is null" in refused([asked({"text": [None], "answer_start": [None]})])


def test_e07_the_file():
    said = refused(case("e07-no-answer-as-empty-string.sq_ng.json"))
    assert "question 3: an answer is empty" in said
    task = load_task(case("e07-no-answer-as-empty-string.sq_ng.json"), split="test", on_bad="skip")
    assert len(task.test) == 2


def test_a_q06_an_answer_that_differs_in_form_is_found(tmp_path):
    context = CONTEXT + " Its cafe\u0301 is\xa0open."
    for text, why in [("café", "Unicode's form"), ("Café", "capitals"), ("café is open", "spaces")]:
        cure = both(tmp_path, {"answers": [{"text": text, "answer_start": 84}]}, "does not stand", context)
        assert why in cure
        start, end = map(int, re.search(r"context\[(\d+):(\d+)\]", cure).groups())
        mended = {"answers": [{"text": context[start:end], "answer_start": start}]}
        assert len(read_squad(squad(tmp_path, mended, context=context))) == 3
    cure = both(
        tmp_path, {"answers": [{"text": "cafe", "answer_start": 84}]}, "does not stand", CONTEXT + " A caf\xe9."
    )
    assert "letter by letter" in cure


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ([{"text": 1901, "answer_start": 0}], "the answer 1901 is not a text"),
        ({"text": ["Mara", "May"], "answer_start": [30]}, "2 texts and 1 places"),
        (7, "not an answer"),
        ([["Mara", 30]], r"the answer \['Mara', 30\] is not a text"),
        ([{"text": {"a": 1}, "answer_start": 30}], "is not a text"),
        ([{"text": "Mara", "answer_start": 30}, "May"], "not an answer"),
    ],
)
def test_answers_of_another_form_are_named(tmp_path, answers, what):
    both(tmp_path, {"answers": answers}, what)


def test_answers_in_a_cell_of_a_table_are_understood():
    for cell in ("{'text': ['Mara'], 'answer_start': [51]}", '[{"text": "Mara", "answer_start": 51}]'):
        task = load_task([asked(cell)], split="test")
        assert task.test["answers"][0] == {"text": ["Mara"], "answer_start": [51]}
    one = load_task([asked("Later"), asked("[]")], split="test")
    assert one.test["answers"][1]["text"] == []
    assert "'is_impossible' is 'maybe'" in refused([asked("Later", is_impossible="maybe")])


# ---------------------------------------------------------------- cuts


def classes(n, each, word="c"):
    return [{"text": f"{word} {i} {j}", "label": f"{word}{i:03}"} for i in range(n) for j in range(each)]


@pytest.mark.parametrize(("n", "each"), [(20, 3), (300, 3), (20, 2), (300, 6), (50, 5), (10, 200)])
def test_e29_a_cut_of_small_classes_keeps_to_its_share_and_says_what_is_not_in_it(n, each):
    task = load_task(classes(n, each), kind="classify", validation=0.1)
    assert len(task.test) == len(task.validation) == n * each // 10
    assert len(set(task.train["label"])) == n
    note = next(x for x in task.notes if x.startswith("test:"))
    assert f"{n * each // 10} of {n * each:,} rows cut off (10%" in note
    gone = n - len(set(task.test["label"]))
    assert (f"{gone} of {n} labels are not in it" in note) == bool(gone)


def test_e29_a_few_small_classes_are_in_every_split_and_the_share_is_true():
    task = load_task(classes(2, 500) + classes(8, 4, "d"))
    for split in ("validation", "test"):
        assert set(task.split(split)["label"]) == set(range(10))
    note = next(x for x in load_task(classes(2, 6)).notes if x.startswith("test:"))
    assert "2 of 12 rows cut off (17%" in note
    alone = load_task(classes(30, 1), kind="classify")
    assert list(alone.splits) == ["train"]
    assert any("too few rows each" in n for n in alone.notes)


def test_e29_rows_with_label_sets_of_their_own_are_cut_too():
    task = load_task([{"text": f"t {i}", "label": [f"l{i % 60}", f"m{i // 60}"]} for i in range(3000)])
    assert abs(len(task.test) - 300) <= 30
    assert abs(len(task.validation) - 300) <= 30
    assert all(task.label_ids("train").sum(0) > 0)
    assert (task.label_ids("test").sum(0) > 0).mean() > 0.9
    note = next(x for x in task.notes if x.startswith("test:"))
    assert f"{len(task.test):,} of 3,000 rows cut off ({len(task.test) / 3000:.0%}" in note


# ---------------------------------------------------------------- what is scored


def test_what_is_not_labelled_is_never_scored():
    model = load_model("tiny-bert", head="multilabel", labels=["a", "b"])
    assert evaluate_model(model, rows(["a"], ["b"], ["b"])).rows == 3  # the model says that it is multilabel
    assert evaluate_model(model, rows("a,b", "b")).rows == 2
    with pytest.raises(CourseError, match="cannot be scored"), pytest.warns(UserWarning, match="is empty"):
        evaluate_model(model, rows([], []))
    one = load_model("tiny-bert", head="classify", labels=["a", "b"])
    assert evaluate_model(one, rows(["a"], ["b"], [])).rows == 2
    with pytest.raises(CourseError, match="cannot be scored"):
        evaluate_model(one, rows(-1, -1))


@pytest.mark.parametrize(
    ("column", "how"),
    [("answer", {}), ("answers", {}), ("gold", {"text": ("question", "context"), "label": "gold", "kind": "span"})],
)
def test_answers_are_learned_and_scored_whatever_their_column_is_called(column, how):
    "A table with the usual column `answer` was loaded, and then could not be encoded."
    given = [
        {
            "question": f"Who built gate {i}?",
            "context": f"Gate {i} opened in May. Mara built it long ago.",
            column: "Mara",
        }
        for i in range(24)
    ]
    task = load_task(given, **how)
    assert task.kind == "span"
    assert task.label in task.train.column_names
    model = fine_tune_model("tiny-bert", task, max_steps=1)
    assert evaluate_model(model, task).rows == len(task.test)
    assert evaluate_model(model, given, **how).rows == 24


def test_a_question_id_that_occurs_twice_is_a_problem_for_both_readers(tmp_path):
    file = squad(tmp_path, {"answers": [{"text": "Later", "answer_start": 45}]}, {"id": 3, "answers": []})
    found = []
    assert [r["id"] for r in read_squad(file, found)] == [1, 2, 3]
    task = load_task(file, split="test", on_bad="skip")
    assert len(task.test) == 3
    (one,), (other,) = found, task.problems
    assert (one.what, one.cure) == (other.what, other.cure)
    assert "question 3: its id is that of an earlier question" in refused(file)


# --- columns that part a table, and lines without anything


@pytest.mark.parametrize(("column", "warned"), [("is_valid", True), ("Test", True), ("verified", False)])
def test_a_column_of_true_and_false_that_is_not_read_is_said(tmp_path, column, warned):
    file = tmp_path / "rows.csv"
    lines = [f"the soup was {('good', 'bad')[i % 2]} {i},{('pos', 'neg')[i % 2]},{i % 5 == 0}" for i in range(40)]
    file.write_text("\n".join([f"text,label,{column}", *lines]))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        task = load_task(file)
    (said,) = [note for note in task.notes if "true and false" in note]
    assert said.startswith(f"{column!r} holds true and false and is not read")
    assert f"pass label={column!r}" in said
    assert [str(w.message) for w in heard if w.category is UserWarning] == [said] * warned
    assert not any("true and false" in note for note in load_task(file, label=column).notes)


def test_a_column_of_words_or_numbers_is_not_taken_for_true_and_false():
    made = [{"text": f"t {i}", "label": i % 2, "valid": ("true", "yes")[i % 2], "n": i % 2} for i in range(30)]
    task = load_task(made)
    assert not any("true and false" in note for note in task.notes)


def test_a_blank_line_in_a_table_of_one_column_is_said(tmp_path):
    file = tmp_path / "one.csv"
    lines = [f"line {i}" if i != 5 else "" for i in range(20)]
    lines[10] = '"a field\n\nof three lines"'
    file.write_text("\n".join(["text", *lines, "", ""]))
    task = load_task(file, kind="lm")
    assert "one.csv: 1 blank line between rows is no row (line 7). An empty text would be \"\"" in task.notes
    file.write_text("\n".join(["text", *(x for x in lines if x), ""]))
    assert not any("blank" in note for note in load_task(file, kind="lm").notes)
    file.write_text("\n".join(["text", "one", "", "two", "", "three", *lines[6:]]))
    assert any("2 blank lines between rows are no row (line 3, 5)" in note for note in load_task(file, kind="lm").notes)
