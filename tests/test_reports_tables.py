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


# T6, T40: lines above the header, other separators, lines quoted whole

LINES = ["words,mood", *(f"{a},{b}" for a, b in ROWS)]


@pytest.mark.parametrize(
    "above",
    [["# export v2"], ["Customer feedback export,"], ["# by me, today", "# 60 rows", ""], ["Made by the shop", ""]],
)
@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_lines_above_the_header_are_named_and_without_them_it_is_read(tmp_path, above, sep):
    file = tmp_path / ("x.tsv" if sep == "\t" else "x.csv")
    lines = [*above, *LINES]
    written(file, [x.replace(",", sep) if x in LINES else x for x in lines])
    message = refused(file)
    if "Pass sep=" in message:
        message = refused(file, sep=sep)
    n = len(above) + 1
    assert f"{file}:{n} seems to be the header ('words', 'mood')" in message
    assert f"Remove line{'s 1 to' if n > 2 else ''} {n - 1} above it" in message
    written(file, [x.replace(",", sep) for x in LINES])
    assert content(load_task(file, text="words", label="mood")) == sorted(ROWS)


def test_a_title_above_the_header_of_a_sheet_is_named(tmp_path):
    pytest.importorskip("openpyxl")
    file = tmp_path / "x.xlsx"
    pd.DataFrame([["Feedback of May", None], [None, None], ["words", "mood"], *ROWS]).to_excel(
        file, index=False, header=False
    )
    assert f"{file}:3 seems to be the header ('words', 'mood')" in refused(file)
    pd.DataFrame(ROWS, columns=["words", "mood"]).to_excel(file, index=False)
    assert content(load_task(file, text="words", label="mood")) == sorted(ROWS)


def test_rows_of_more_fields_than_the_header_keep_their_problems(tmp_path):
    texts = [f"hello, {a},{b}" for a, b in ROWS]
    assert "Put quotes around a text" in refused(written(tmp_path / "x.csv", ["comentario,clase", *texts]))
    counted = [f'"{i}","{a}","{b}"' for i, (a, b) in enumerate(ROWS, 1)]
    file = written(tmp_path / "r.csv", ['"words","mood"', *counted])  # as R's write.table
    assert "Begin line 1 with a name for it: row,…" in refused(file)
    written(file, ['row,"words","mood"', *counted])
    assert content(load_task(file, text="words", label="mood")) == sorted(ROWS)


@pytest.mark.parametrize("header", ["text,label", "words,mood", None])
@pytest.mark.parametrize("sep", ["^", "~", "\x01", "\t"])
def test_a_separator_that_was_not_found_is_proposed_and_never_a_language_model(tmp_path, header, sep):
    lines = [*([header] if header else []), *LINES[1:]]
    file = written(tmp_path / "x.csv", [x.replace(",", sep) for x in lines])
    how = {"sep": ";"} if sep == "\t" else {}
    message = refused(file, **how)
    assert "lm" not in message
    how = eval(f"dict({re.search('sep=.*', message)[0]})")
    if header is None:
        how |= {"text": 0, "label": 1}
    if header == "words,mood":
        how |= {"text": "words", "label": "mood"}
    assert content(load_task(file, **how)) == sorted(ROWS)


def test_lines_that_are_quoted_whole_are_said_and_the_command_mends_them(tmp_path):
    import subprocess

    rows = [(f"{a}, they said" * (i % 3 == 0) or a, b) for i, (a, b) in enumerate(ROWS)]
    quoted = ['"text,label"', *(f'"""{a}"",{b}"' if "," in a else f'"{a},{b}"' for a, b in rows)]
    written(tmp_path / "old", quoted).rename(tmp_path / "x.csv")
    message = refused(tmp_path / "x.csv")
    assert "each line stands in quotes as a whole" in message
    command = message.partition("away: ")[2].replace("old > new", "x.csv > new.csv")
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    assert content(load_task(tmp_path / "new.csv")) == sorted(rows)


def test_a_column_of_texts_alone_is_still_one(tmp_path):
    file = written(tmp_path / "x.csv", ["comment", *(f'"Well, {t}; so."' for t in TEXTS)])
    assert load_task(file, kind="lm").kind == "lm"
    assert 'kind="lm"' in refused(file)


def test_the_command_line_takes_the_separator():
    from ftcourse.course.cli.main import build_parser, in_flags

    options = build_parser().parse_args(["fine-tune", "x.csv", "--sep", "\\t"])
    assert options.sep == "\t"
    assert in_flags('Pass sep="^"', options.parser) == 'Pass --sep "^"'


# T39, T41: commas at the end, spaces before quotes, single quotes


def test_a_comma_at_the_end_of_every_row_is_no_field(tmp_path):
    rows = [*ROWS, ("two\nlines, and a comma", "negative")]
    lines = [f'"{a}",{b},' for a, b in rows]
    file = written(tmp_path / "x.csv", ["text,label", *lines])
    assert content(load_task(file)) == sorted(rows)
    written(file, ["text,label", *lines, "hello, you,negative,"])
    assert "x.csv:64: 4 fields, expected 2" in refused(file)
    written(file, lines)
    assert content(load_task(file, columns=["text", "label"])) == sorted(rows)


@pytest.mark.parametrize("header", ['"text", "label"', "text, label", "text,label"])
@pytest.mark.parametrize("n", [3, 60])
def test_a_space_before_a_quote_is_passed_by(tmp_path, header, n):
    rows = [(f"{a}, they said", b) for a, b in ROWS[:n]]
    file = written(tmp_path / "x.csv", [header, *(f'"{a}", "{b}"' for a, b in rows)])
    assert content(load_task(file)) == sorted(rows)
    labels = written(tmp_path / "y.csv", ["label, text", *(f'{b}, "{a}"' for a, b in rows)])
    assert content(load_task(labels)) == sorted(rows)


def test_a_space_before_a_quote_of_one_row_is_a_problem(tmp_path):
    file = written(tmp_path / "x.csv", ["text,label", *LINES[1:], 'a fine day, "negative"', "a day, positive"])
    assert "x.csv:62: a space stands before the quote that opens a field. Take the space away" in refused(file)
    assert len(load_task(file, on_bad="skip").problems) == 1


@pytest.mark.parametrize("sep", [",", ";"])
def test_single_quotes_are_refused_and_both_cures_work(tmp_path, sep):
    rows = [(f"{a}{sep} they said", b) for a, b in ROWS]
    file = written(tmp_path / "x.csv", [f"'text'{sep}'label'", *(f"'{a}'{sep}'{b}'" for a, b in rows)])
    message = refused(file)
    assert "fields stand in single quotes" in message
    form = re.search(r"read_csv\((.*?)\);", message)[1]
    assert content(load_task(eval(f"pd.read_csv({form})".replace("'x.csv'", "file")))) == sorted(rows)
    said = written(tmp_path / "y.csv", ["text,label", *(f"'{a}',{b}" for a, b in ROWS)])
    assert "pass quoted=False" in refused(said)
    assert content(load_task(said, quoted=False)) == sorted((f"'{a}'", b) for a, b in ROWS)


# T12


def test_a_number_among_the_texts_of_a_sheet_has_a_cure_for_sheets(tmp_path):
    pytest.importorskip("openpyxl")
    file = tmp_path / "x.xlsx"
    pd.DataFrame([*ROWS, (5, "negative")], columns=["text", "label"]).to_excel(file, index=False)
    assert "or in a sheet an apostrophe before it: '5" in refused(file)
    pd.DataFrame([*ROWS, ("5", "negative")], columns=["text", "label"]).to_excel(file, index=False)
    assert len(content(load_task(file))) == 61


def test_rows_that_stand_under_a_key_are_pointed_at(tmp_path):
    file = tmp_path / "x.json"
    file.write_text(json.dumps({"count": 60, "results": [{"text": a, "label": b} for a, b in ROWS]}))
    assert "stand under 'results'" in refused(file)
    assert content(load_task(json.loads(file.read_text())["results"])) == sorted(ROWS)


def test_a_cure_for_scores_names_numbers():
    rows = [{"words": a, "mood": b, "measured": i % 5} for i, (a, b) in enumerate(ROWS)]
    message = refused(rows, kind="regress")
    assert "Pass text='words', label='measured'" in message
    assert load_task(rows, text="words", label="measured", kind="regress").kind == "regress"


def test_the_command_line_follows_the_cure_for_a_file_without_a_header(tmp_path):
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    from ftcourse import load_model
    from ftcourse.course.cli.main import main

    folder = load_model("tiny-bert", head="classify", labels=CLASSES, seed=1).save(tmp_path / "m")
    file = written(tmp_path / "h.csv", [f"{a},{b}" for a, b in ROWS])
    said, complained = StringIO(), StringIO()
    with redirect_stdout(said), redirect_stderr(complained):
        assert main(["evaluate", str(folder), str(file)]) == 1
        flags = re.search(r"positions (--text=\d --label=\d)", complained.getvalue().replace(",", ""))[1]
        assert main(["evaluate", str(folder), str(file), *flags.split()]) == 0
    assert "60 rows" in said.getvalue()


def test_a_cure_names_no_label_with_one_value_and_says_how_several_in_a_cell_are_read():
    shop = [{"words": a, "shop": "north", "tags": ("a;b", "a", "b")[i % 3]} for i, a in enumerate(TEXTS)]
    message = refused(shop)
    assert "label='tags', kind=\"multilabel\"" in message
    assert followed(shop, message).labels == ["a", "b"]
    assert "none like a label" in refused([{"words": a, "shop": "north"} for a in TEXTS])
