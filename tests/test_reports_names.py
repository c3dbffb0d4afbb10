"""Generated rows never go by a real data set's name: issue 13, kind 2."""

import pytest

from ftcourse import load_task
from ftcourse.core.errors import CourseError
from ftcourse.core.settings import use_profile
from ftcourse.data.world.glue import MINIATURE
from ftcourse.experiments.glue import glue
from ftcourse.tasks import TASKS
from ftcourse.tasks.glue import GLUE, load_glue

HEAD = {"sst2": "sentence\tlabel", "rte": "index\tsentence1\tsentence2\tlabel"}


@pytest.fixture
def data(tmp_path, monkeypatch):
    "An empty data folder."
    use_profile("tiny")
    monkeypatch.setenv("FTCOURSE_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", GLUE)
def test_a_real_name_without_its_files_is_refused_with_the_place_and_the_miniature(data, name):
    with pytest.raises(CourseError) as e:
        load_task(name)
    said = str(e.value)
    assert f"{name} is a real data set, and it is not here" in said
    assert f"glue/{GLUE[name].folder} of the data folder ({data})" in said
    assert f"or take mini-{name}, which" in said
    assert load_task(f"mini-{name}").name == f"mini-{name}"


@pytest.mark.parametrize("name, label", [("sst2", "01"), ("rte", ("entailment", "not_entailment"))])
def test_the_cure_works(data, name, label):
    folder = data / "glue" / GLUE[name].folder
    folder.mkdir(parents=True)
    columns = HEAD[name].count("\t")
    for split, n in (("train", 40), ("dev", 6)):
        rows = ["\t".join([f"{split} {i} {c}" for c in range(columns)] + [label[i % 2]]) for i in range(n)]
        (folder / f"{split}.tsv").write_text("\n".join([HEAD[name], *rows]) + "\n", encoding="utf-8")
    task = load_task(name)
    assert task.name == name
    assert task.labels == GLUE[name].labels
    assert len(task.test) == 6
    assert (len(task.train), list(task.splits)) == (40, ["train", "test"])  # few: none choose a checkpoint


def test_a_file_name_in_the_refusal_is_one_that_is_read(data):
    for name, file in (("mnli-mm", "dev_mismatched.tsv"), ("ax", "diagnostic-full.tsv")):
        with pytest.raises(CourseError, match=file):
            load_task(name)
    folder = data / "glue" / "MNLI"
    folder.mkdir(parents=True)
    (folder / "dev_mismatched.tsv").write_text("index\tsentence1\tsentence2\tgold_label\n0\tA\tB\tneutral\n")
    assert len(load_task("mnli-mm").test) == 1
    with pytest.raises(CourseError, match="dev_matched.tsv"):
        load_task("mnli")


def test_the_profile_s_own_glue_comes_first(data, monkeypatch):
    asked = []

    def hub(repo, config, revision=None):
        asked.append((repo, config, bool(revision)))
        raise ConnectionError("no network")

    monkeypatch.setattr("datasets.load_dataset", hub)
    try:
        use_profile("laptop")
        with pytest.raises(CourseError, match="or take mini-sst2"):
            load_task("sst2")
    finally:
        use_profile("tiny")
    assert asked == [("nyu-mll/glue", "sst2", True)]


def test_generated_rows_have_a_name_of_their_own_however_they_are_asked_for():
    assert {f"mini-{name}" for name in MINIATURE} <= set(TASKS)
    assert load_glue("sst2", "miniature").name == "mini-sst2"
    assert load_glue("mini-sst2").train[0] == load_task("mini-sst2").train[0]
    assert load_task("mini-sst2", seed=3).train[0] != load_task("mini-sst2").train[0]
    assert load_task("mini-mrpc").metrics.keys() == GLUE["mrpc"].metrics.keys()
    with pytest.raises(CourseError, match=r"Take load_glue\('sst2', …\)"):
        load_glue("mini-sst2", "nyu-mll/glue")
    with pytest.raises(CourseError, match="no GLUE task 'mini-snli'"):
        load_glue("mini-snli")


def test_a_scoreboard_of_the_miniature_names_it_and_writes_the_site_s_files(tmp_path):
    board = glue("tiny-bert", ("mini-rte",), seeds=1, rows=24, source="miniature", max_steps=2, lr=5e-4)
    assert "\nmini-rte " in str(board)
    assert "\nrte " not in str(board)
    assert "mini-rte" in board._repr_html_()
    assert [p.name for p in board.submission(tmp_path)] == ["RTE.tsv"]


def test_names_of_published_data_have_no_generated_rows(data):
    for name in ("ag-news", "trec", "trec-fine", "squad", "squad2", "hotel-reviews-zh", "pubmedqa", "lawbench-1-2"):
        with pytest.raises(CourseError):
            load_task(name)
    for name in ("xquad-en", "xquad-zh"):
        with pytest.raises(CourseError):
            load_task(name)
