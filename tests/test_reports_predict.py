"What `ftcourse predict` is given: files without a header, blank lines, the name of a file as a text."

import csv
import io
import json
import re

import pandas as pd
import pytest
from console import called

from ftcourse import load_model

TEXTS = [f"The good waiter number {i} was awful" for i in range(30)]
ROWS = [(text, ("negative", "positive")[i % 2]) for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    model = load_model("tiny-bert", head="classify", labels=["negative", "positive"], seed=1)
    return str(model.save(tmp_path_factory.mktemp("saved") / "m"))


def predicted(*arguments):
    code, said, why = called("predict", *arguments, "--json")
    assert code == 0, why
    return [row["text"] for row in json.loads(said)]


# T35


@pytest.mark.parametrize("form", ["h.csv", "h.tsv", "h.xlsx"])
@pytest.mark.parametrize("at", [0, 1])
def test_a_table_without_a_header_is_read_by_position_and_no_text_is_lost(tmp_path, folder, form, at):
    file = tmp_path / form
    frame = pd.DataFrame([[i, *row][1 - at :] for i, row in enumerate(ROWS)])
    if form == "h.xlsx":
        pytest.importorskip("openpyxl")
        frame.to_excel(file, index=False, header=False)
    else:
        frame.to_csv(file, index=False, header=False, sep="\t" if form == "h.tsv" else ",")
    code, said, why = called("predict", folder, "--file", file)
    assert code == 1
    assert f"positions --text={at}" in why
    assert predicted(folder, "--file", file, "--text", at) == TEXTS
    names = ["n", "words", "mood"][1 - at :]
    assert predicted(folder, "--file", file, "--columns", *names, "--text", "words") == TEXTS


def test_a_header_is_no_text_where_columns_have_numbers_as_names(tmp_path, folder):
    pd.DataFrame(ROWS).to_csv(tmp_path / "n.csv", index=False)
    assert predicted(folder, "--file", tmp_path / "n.csv", "--text", 0) == TEXTS
    pd.DataFrame(ROWS, columns=["text", "label"]).to_csv(tmp_path / "t.csv", index=False)
    code, _, why = called("predict", folder, "--file", tmp_path / "t.csv", "--text", 0)
    assert code == 1
    assert "is a header" in why


def test_a_column_that_is_missing_and_one_that_is_named_twice(tmp_path, folder):
    pd.DataFrame(ROWS, columns=["words", "mood"]).to_csv(tmp_path / "t.csv", index=False)
    code, _, why = called("predict", folder, "--file", tmp_path / "t.csv")
    assert (code, "it has words, mood: name one with --text" in why, "position" in why) == (1, True, False)
    code, _, why = called("predict", folder, "--file", tmp_path / "t.csv", "--text", "words", "--text", "words")
    assert (code, "given twice" in why) == (1, True)


def test_a_separator_may_be_said(tmp_path, folder):
    (tmp_path / "t.csv").write_text("text^label\n" + "".join(f"{a}^{b}\n" for a, b in ROWS))
    code, _, why = called("predict", folder, "--file", tmp_path / "t.csv")
    assert (code, '--sep "^"' in why) == (1, True)
    assert predicted(folder, "--file", tmp_path / "t.csv", "--sep", "^") == TEXTS


# T34


@pytest.mark.parametrize("blank", ["", " \t", "\u200b"])
def test_a_blank_line_among_texts_is_named_as_an_empty_cell_is(tmp_path, folder, blank):
    file, out = tmp_path / "a.txt", tmp_path / "out.csv"
    file.write_text("\n".join([*TEXTS[:2], blank, *TEXTS[2:], "", ""]))
    code, said, why = called("predict", folder, "--file", file, "--out", out)
    assert (code, said, out.exists()) == (1, "", False)
    assert re.search(r"a\.txt, line 3: 'text' is (empty|whitespace only)", why)
    code, _, why = called("predict", folder, "--file", file, "--out", out, "--on-bad", "skip")
    assert (code, "left out: " in why) == (0, True)
    with open(out, newline="") as f:
        assert [row["text"] for row in csv.DictReader(f)] == TEXTS
    file.write_text("\n".join([*TEXTS, "", ""]))  # nothing stands behind these
    assert predicted(folder, "--file", file) == TEXTS


def test_blank_lines_of_standard_input_are_said(folder, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n\nb\n\n"))
    code, said, why = called("predict", folder)
    assert code == 0
    assert len(said.splitlines()) == 2
    assert "left out: standard input, line 2: blank" in why


# T36


def test_the_name_of_a_file_is_no_text(tmp_path, folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame(ROWS, columns=["text", "label"]).to_csv("pp.csv", index=False)
    (tmp_path / "good").write_text("a file whose name is a word")
    code, said, why = called("predict", folder, "fine", "pp.csv")
    assert (code, said) == (1, "")
    assert "'pp.csv' is a file here: predict the texts in it with --file pp.csv" in why
    assert predicted(folder, "--file", "pp.csv") == TEXTS
    monkeypatch.setattr("sys.stdin", io.StringIO("pp.csv\n"))
    assert predicted(folder) == ["pp.csv"]
    assert predicted(folder, "good", "qq.csv") == ["good", "qq.csv"]
