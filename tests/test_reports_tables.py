"Tables as people have them: without a header, with lines above it, other separators; columns a cure may name."

import json
import re

import pandas as pd
import pytest

from ftcourse import load_task
from ftcourse.core.errors import CourseError

TEXTS = [f"The good waiter number {i} was awful" for i in range(60)]
CLASSES = ["negative", "positive"]
ROWS = [(text, CLASSES[i % 2]) for i, text in enumerate(TEXTS)]


def written(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def content(task):
    "(text, label) of every row of a task, in order of the text."
    name = lambda x: task.labels[x] if isinstance(x, int) else x
    return sorted((r[task.text[0]], name(r[task.label])) for rows in task.splits.values() for r in rows)


def refused(source, **how):
    "What `load_task` says."
    with pytest.raises(CourseError) as e:
        load_task(source, **how)
    return str(e.value)


def followed(source, message):
    "The task that the cure of a message loads."
    cure = re.search(r"(?:[Pp]ass|positions[:,]) ((?:text|label)=[^;\n]*)", message)[1]
    cure = re.split(r", or |; ", cure)[0]
    return load_task(source, **eval(f"dict({cure})"))


# T16: without a header


@pytest.mark.parametrize("form", ["h.csv", "h.tsv", "h.csv.gz", "h.xlsx", "first.tsv"])
def test_a_table_of_two_columns_without_a_header_is_asked_for_positions_and_no_row_is_lost(tmp_path, form):
    file = tmp_path / form
    rows = [row[::-1] for row in ROWS] if form == "first.tsv" else ROWS
    if form == "h.xlsx":
        pytest.importorskip("openpyxl")
        pd.DataFrame(rows).to_excel(file, index=False, header=False)
    else:
        pd.DataFrame(rows).to_csv(file, index=False, header=False, sep="\t" if "tsv" in form else ",")
    message = refused(file)
    assert "the file has no header: pass positions" in message
    assert content(followed(file, message)) == sorted(ROWS)


def test_where_a_first_row_may_be_a_header_both_cures_are_named(tmp_path):
    rare = written(tmp_path / "rare.csv", [f"{TEXTS[0]},mixed", *(f"{a},{b}" for a, b in ROWS[1:])])
    assert "if they are data, positions: text=0, label=1" in refused(rare)
    file = written(tmp_path / "lines.csv", TEXTS)
    assert 'if they are data, positions: text=0, kind="lm"' in refused(file)
    assert sum(map(len, load_task(file, text=0, kind="lm").splits.values())) == 60
    asked = "What did you like about our service in the last month?,Would you come again?"
    survey = written(tmp_path / "survey.csv", [asked, *(f"{a},{b}" for a, b in ROWS)])
    message = refused(survey)
    assert "If they are the header, pass text='What did" in message
    assert content(followed(survey, message)) == sorted(ROWS)


def test_positions_are_refused_where_pandas_wrote_numbers_as_the_header(tmp_path):
    file = tmp_path / "x.csv"
    pd.DataFrame(ROWS).to_csv(file, index=False)
    assert "x.csv:1 is a header" in refused(file, text=0, label=1)
    message = refused(file)
    assert "Pass text='0', label='1'" in message
    assert content(followed(file, message)) == sorted(ROWS)


def test_a_frame_that_was_read_without_a_header_is_asked_to_be_read_again(tmp_path):
    file = written(tmp_path / "h.csv", [f"{a},{b}" for a, b in ROWS])
    message = refused(pd.read_csv(file))
    assert "read the file with header=None, and pass text=0, label=1" in message
    assert content(load_task(pd.read_csv(file, header=None), text=0, label=1)) == sorted(ROWS)


# T32, T42: columns that are named twice, or too many


@pytest.mark.parametrize(
    "how",
    [
        {"text": ["text", "text"]},
        {"text": "text", "label": ["label", "label"]},
        {"text": ("text", "text"), "kind": "lm"},
        {"text": ("text", "text"), "label": "label", "kind": "span"},
    ],
)
def test_the_same_column_twice_is_refused(how):
    rows = [{"text": text, "label": label} for text, label in ROWS]
    assert "Pass different" in refused(rows, **how)


def test_several_label_columns_hold_no_number():
    rows = [{"text": text, "a": i / 7, "b": 0} for i, text in enumerate(TEXTS)]
    message = refused(rows, text="text", label=["a", "b"], kind="regress")
    assert "label names 2 columns" in message
    assert load_task(rows, text="text", label="a", kind="regress").kind == "regress"


# T43, T13, T26, T3: what a cure names can be loaded


def test_a_cure_names_no_label_with_a_value_for_each_row(tmp_path):
    lines = [f"{i % 4 + 1},Title number {i},A much longer text of what happened {i}" for i in range(60)]
    file = written(tmp_path / "news.csv", ["Class Index,Title,Description", *lines])
    message = refused(file)
    assert "text='Description', label='Class Index'" in message
    assert followed(file, message).labels == ["1", "2", "3", "4"]
    assert "none like a label" in refused([{"words": text, "other": text[::-1]} for text in TEXTS])


def test_scores_are_proposed_as_scores():
    rows = [{"notes": text, "measured": i * 0.37} for i, text in enumerate(TEXTS)]
    message = refused(rows)
    assert "label='measured', kind=\"regress\"" in message
    assert followed(rows, message).kind == "regress"


@pytest.mark.parametrize(
    "rows",
    [
        [{"count": 40, "results": [{"text": "a", "label": "b"}]}] * 12,
        [{"tokens": text.split(), "ner_tags": [0, 1, 2]} for text in TEXTS],
        [{"pos": TEXTS[:3], "neg": TEXTS[3:6]}] * 12,
        [{"url": f"https://example.org/{i}", "label": label} for i, (_, label) in enumerate(ROWS)],
        [{"image": f"s3://place/{i}.png", "s": label, "label": label} for i, (_, label) in enumerate(ROWS)],
    ],
)
def test_no_cure_names_lists_numbers_addresses_or_labels_as_a_text(rows, tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    for source in (rows, file):
        assert "None of them holds texts" in refused(source)


def test_a_text_that_was_asked_for_stays_in_the_cure():
    rows = [{"words": text, "longer": text * 2, "mood": label} for text, label in ROWS]
    message = refused(rows, text="words")
    assert "Pass text='words', label='mood'" in message
    assert content(followed(rows, message)) == sorted(ROWS)
