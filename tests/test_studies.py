"""A study of one's own data: what it finds, that no choice reads the test rows, that its report shows text as text."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from datasets import DatasetDict

from ftcourse import load_model, load_task
from ftcourse.core.errors import CourseError
from ftcourse.course.cli.main import main
from ftcourse.course.study_page import errors_of, study_page, write_study
from ftcourse.experiments import studies
from ftcourse.experiments.audit import audit, near_duplicates, suspicious_labels, without_near_leaks
from ftcourse.experiments.messy import out_of_fold, previews, sent_again
from ftcourse.experiments.studies import cheapest_that_serves, frozen_features, study
from ftcourse.experiments.word_model import load_word_model

QUICK = dict(start="tiny-bert", arms=["nothing", "words", "frozen"], folds=2)


@pytest.fixture(scope="module")
def rows():
    "(text, label) of 300 different messages."
    texts, labels = previews()
    order = np.random.default_rng(0).permutation(len(texts))[:300]
    return [(texts[i], ("complaint", "praise")[labels[i]]) for i in order]


def as_rows(pairs) -> list[dict]:
    return [{"text": text, "label": label} for text, label in pairs]


def cut(pairs, **how):
    "A Task with a fifth each of validation and test rows."
    return load_task(as_rows(pairs), validation=0.2, test=0.2, **how)


@pytest.fixture(scope="module")
def found(rows):
    return study(cut(rows), cost="miss=5,false_alarm=1", positive="complaint", **QUICK)


def test_planted_near_duplicates_are_found_and_taken_out_of_the_test(rows):
    rng = np.random.default_rng(1)
    again = [(sent_again(text, rng), label) for text, label in rows[:60]]
    task = cut(rows + again)
    looked = audit(task, load_model("tiny-bert", task=task), labels=False)
    everything = {text: i for i, (text, _) in enumerate(rows + again)}
    split_of = {t: s for s in task.splits for t in task.splits[s]["text"]}
    crossing = {"validation": set(), "test": set()}
    order = ("train", "validation", "test")
    for (one, _), (other, _) in zip(rows, again):
        first, later = sorted((one, other), key=lambda t: order.index(split_of[t]))
        if split_of[first] != split_of[later]:
            crossing[split_of[later]].add(later)
    assert sum(map(len, crossing.values())) > 10
    hit = {s: {task.splits[s]["text"][row] for row, *_ in leaks} for s, leaks in looked.leaks.items()}
    missed = [t for s in crossing for t in crossing[s] - hit[s]]
    # a letter that is missing from a short message leaves less than 80 in 100 in common
    assert all(len(t) < 60 for t in missed)
    assert len(missed) < 0.2 * sum(map(len, crossing.values()))
    clean = without_near_leaks(task, looked)
    assert not hit["test"] & set(clean.test["text"])
    left = near_duplicates([*clean.train["text"], *clean.validation["text"], *clean.test["text"]])
    n = len(clean.train) + len(clean.validation)
    assert not set(left.groups[:n]) & set(left.groups[n:])
    assert everything.keys() >= hit["test"]


def test_planted_label_errors_come_first_over_five_seeds():
    texts, labels = previews()
    task = load_task(as_rows(zip(texts, map(str, labels))), labels=["0", "1"], test=0, validation=0)
    x, y = frozen_features("tiny-bert", task), task.label_ids("train")
    precision, recall = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        at = rng.permutation(len(y))[:600]
        given, wrong = y[at].copy(), rng.permutation(600)[:48]
        given[wrong] = 1 - given[wrong]
        named = [row for row, *_ in suspicious_labels(out_of_fold(x[at], given, seed), given)]
        precision.append(np.isin(named[:20], wrong).mean())
        recall.append(np.isin(wrong, named).mean())
    # 8 in 100 are wrong: chance names .08; each of the five draws has to do far better
    assert min(precision) > 0.7
    assert min(recall) > 0.5


def test_shuffled_test_labels_change_no_choice(rows, found):
    task = cut(rows)
    test = (
        task.test.remove_columns("label")
        .add_column("label", np.random.default_rng(0).permutation(task.label_ids("test")))
        .cast(task.test.features)
    )
    assert test["label"] != task.test["label"]
    other = replace(task, splits=DatasetDict({**task.splits, "test": test}))
    again = study(other, cost="miss=5,false_alarm=1", positive="complaint", **QUICK)
    assert again.chosen.arm == found.chosen.arm
    for one, two in zip(found.candidates, again.candidates):
        assert np.array_equal(one.outputs, two.outputs)
        assert one.cost == two.cost
        assert one.gap == two.gap
    assert again.audit.suspicious == found.audit.suspicious
    assert again.forecast.points == found.forecast.points
    assert again.final.rule.threshold == found.final.rule.threshold
    assert np.array_equal(again.final.outputs, found.final.outputs)
    assert again.final.cost != found.final.cost  # the score is of the test rows, and moves


def test_a_dearer_miss_moves_answers_towards_what_is_looked_for(rows):
    flipped = {"complaint": "praise", "praise": "complaint"}
    noisy = [(t, flipped[k] if i % 6 == 0 else k) for i, (t, k) in enumerate(rows)]
    task, counts, thresholds = cut(noisy), [], []  # so that the model is not sure of everything
    for miss in (1, 5, 50):
        cost = {"miss": miss, "false_alarm": 1}
        one = study(task, cost=cost, positive="complaint", **QUICK | {"arms": ["frozen"]})
        counts.append(int((one.final.answers == task.labels.index("complaint")).sum()))
        thresholds.append(one.final.rule.threshold)
    assert thresholds[0] is None  # equal costs: the likeliest label
    assert thresholds[1:] == pytest.approx([5 / 6, 50 / 51])  # of praise, the second label
    assert counts[0] <= counts[1] <= counts[2]
    assert counts[0] < counts[2]


def test_the_first_that_is_not_shown_to_cost_more_is_chosen():
    def one(arm, costs):
        costs = np.array(costs, float)
        return studies.Candidate(arm, costs, costs, None, 1.0, 1.0)

    same = [0, 1] * 50
    arms = [one("nothing", [1] * 100), one("frozen", same), one("full", [0, 1] * 49 + [0, 0])]
    assert cheapest_that_serves(arms).arm == "frozen"  # one row of a hundred shows nothing
    assert arms[0].gap[1] > 0
    arms[2] = one("full", [0] * 100)
    assert cheapest_that_serves(arms).arm == "full"
    assert cheapest_that_serves(arms[::-1]).arm == "full"


def test_the_saved_model_gives_the_answers_that_were_tested(found, tmp_path):
    folder = write_study(found, tmp_path / "kept")
    task = found.task
    model = load_model(folder / "model")
    said = model.predict(list(task.test["text"]))
    assert said == [task.labels[i] for i in found.final.answers]
    kept = json.loads((folder / "study.json").read_text())
    assert kept["chosen"] == found.chosen.arm
    assert kept["finals"][0]["cost"][0] == pytest.approx(found.final.costs.mean())
    with open(folder / "errors.csv", encoding="utf-8", newline="") as f:
        written = list(csv.DictReader(f))
    assert len(written) == int((found.final.answers != task.label_ids("test")).sum())
    assert [float(r["cost"]) for r in written] == sorted((float(r["cost"]) for r in written), reverse=True)
    with pytest.raises(CourseError, match="holds a study already"):
        write_study(found, folder)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(CourseError, match="no study"):
        write_study(found, tmp_path / "other", overwrite=True)
    assert (tmp_path / "other" / "thesis.txt").read_text() == "mine"


EVIL = '<script>alert(1)</script><img src=x onerror=y> & $x_1$ \u202e"quoted"'


def test_a_report_is_one_file_in_which_text_of_the_data_is_text(rows, tmp_path):
    names = {"complaint": "<b>bad</b> $5 $", "praise": 'good" onload="x'}
    marked = [(f"{EVIL} {t}" if i < 40 else t, names[k]) for i, (t, k) in enumerate(rows)]
    marked += [(f"{EVIL} again and again {i}", None) for i in range(3)]
    one = study(cut(marked), **QUICK)
    folder = write_study(one, tmp_path / "kept")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "onerror=y>" not in page
    assert "<b>bad</b>" not in page
    assert "\u202e" not in page
    sources = re.findall(r"<(?:img|link|iframe|object|video)[^>]*?(?:src|href|data)=\"([^\"]{0,30})", page)
    assert len(sources) >= 3
    assert all(s.startswith("data:image/svg+xml;base64,") for s in sources)
    assert not re.findall(r"url\(|@import|<link|<a ", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert "&lt;b&gt;bad" in one._repr_html_()
    assert "<b>bad" not in one._repr_html_()


@pytest.mark.parametrize("kind", ["multilabel", "regress", "three labels", "pairs"])
def test_other_kinds_say_what_is_left_out(kind, rows, tmp_path):
    rng, how = np.random.default_rng(0), {}
    if kind == "multilabel":
        data = [{"text": t, "bad": int(k == "complaint"), "late": int(rng.random() < 0.3)} for t, k in rows]
        how = dict(label=["bad", "late"])
    elif kind == "regress":
        data = [{"text": t, "label": (k == "praise") + rng.normal() / 9} for t, k in rows]
        how = dict(kind="regress")
    elif kind == "pairs":
        data = [{"first": t, "second": t[::-1], "label": k} for t, k in rows]
        how = dict(text=("first", "second"))
    else:
        data = [{"text": t, "label": k if i % 3 else "other"} for i, (t, k) in enumerate(rows)]
    cost = dict(cost="complaint>praise=4") if kind == "three labels" else {}
    task = load_task(data, validation=0.2, test=0.2, **how)
    one = study(task, **QUICK, **cost)
    assert one.chosen.arm in ("nothing", "words", "frozen")
    assert len(one.final.costs) == len(one.task.test)
    folder = write_study(one, tmp_path / "kept")
    said = " ".join([*one.notes, *one.audit.notes])
    assert "no GGUF file" in said
    if kind in ("multilabel", "regress"):
        assert "no forecast" in said
        assert "where a row has one class" in said
        with pytest.raises(CourseError, match="leave cost and positive out"):
            study(task, cost="miss=5", positive="bad", **QUICK)
    if kind == "three labels" and one.chosen.arm != "nothing":
        assert "threshold cannot hold the costs" in said
        assert one.final.answers.tolist() == one.costs.decide(one.final.rule.probabilities(one.final.outputs)).tolist()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert all(note.split(":")[0].split("(")[0] in page for note in one.notes)


def test_counted_words_and_nothing_are_kept_too_and_a_network_beside_them(rows, tmp_path):
    word = [(f"{'awful' if k == 'complaint' else 'lovely'} thing number {i}", k) for i, (_, k) in enumerate(rows)]
    # texts that share most of their pieces would all be one group
    one = study(cut(word), near=1.0, **QUICK)
    assert one.chosen.arm == "words"
    assert [f.arm for f in one.finals] == ["words", "frozen"]
    folder = write_study(one, tmp_path / "kept")
    model = load_word_model(folder / "model")
    assert model.predict(list(one.task.test["text"])) == [one.task.labels[i] for i in one.final.answers]
    assert load_model(folder / "network").labels == one.task.labels
    nothing = study(cut(word), near=1.0, **QUICK | {"arms": "nothing"})
    folder = write_study(nothing, tmp_path / "nothing")
    assert "needs no model" in (folder / "model" / "README.md").read_text(encoding="utf-8")
    assert any("no forecast" in note for note in nothing.notes)


def test_a_low_rank_update_is_kept_alone_and_merged(rows, tmp_path, monkeypatch):
    monkeypatch.setitem(studies.TUNED, "lora", {"train": "lora-2", "max_steps": 3})
    one = study(cut(rows), **QUICK | {"arms": ["lora"]})
    folder = write_study(one, tmp_path / "kept")
    assert (folder / "adapter" / "adapter_config.json").is_file()
    texts = list(one.task.test["text"][:20])
    whole, update = (load_model(folder / name).probabilities(texts) for name in ("model", "adapter"))
    assert np.allclose(whole, update, atol=1e-5)
    assert np.allclose(whole, one.final.model.probabilities(texts), atol=1e-5)


def test_what_cannot_be_studied_is_refused_before_anything_is_trained(rows, monkeypatch):
    def never(*args, **how):
        raise AssertionError("something was trained")

    monkeypatch.setattr(studies, "answer_out_of_fold", never)
    task = cut(rows)
    same = task.train.select(np.flatnonzero(task.label_ids("train") == 0))
    one_label = replace(task, splits=DatasetDict({**task.splits, "train": same}))
    for given, how, said in (
        (load_task("world"), {}, "of kind lm"),
        (as_rows(rows[:30]), {}, "a study needs"),
        (one_label, {}, "have one label"),
        (task, {"arms": ["magic"]}, "give some of nothing"),
        (task, {"folds": 1}, "from 2 to 20"),
        (task, {"cost": "miss=5"}, "Name it with positive="),
        (task, {"near": 0.1}, "share of pieces"),
        (task, {"cost": "miss=5", "positive": "egg"}, "no label of this task"),
    ):
        with pytest.raises(CourseError, match=said):
            study(given, **{"start": "tiny-bert"} | how)


def test_a_test_of_copies_alone_is_refused_with_the_cure(rows):
    task = cut(rows)
    copies = task.train.select(range(40)).map(lambda row: {"text": f"{row['text']} !"})
    other = replace(task, splits=DatasetDict({**task.splits, "test": copies}))
    with pytest.raises(CourseError, match="has 0 test rows.*near=1 takes out equal texts only"):
        study(other, **QUICK)


def test_the_command_writes_a_folder_once_and_tells_it_as_json(rows, tmp_path, capsys):
    file = tmp_path / "mine.csv"
    with open(file, "w", encoding="utf-8", newline="") as f:
        csv.writer(f).writerows([("words", "kind"), *rows, *((f"{t} too", "") for t, _ in rows[:30])])
    out = tmp_path / "study"
    command = ["study", str(file), "--text", "words", "--label", "kind", "--model", "tiny-bert"]
    command += ["--arms", "words,frozen", "--folds", "2", "--cost", "miss=5,false_alarm=1"]
    command += ["--positive", "complaint", "--ask", "5", "--out", str(out), "--json"]
    assert main(command) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert Path(result["report"]).is_file()
    assert len(result["to_label"]) == 5
    assert "trained on" in said.err
    before = (out / "report.html").read_bytes()
    assert main(command) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (out / "report.html").read_bytes() == before
    assert main([*command, "--overwrite"]) == 0
    capsys.readouterr()
    wrong = [x if x != "complaint" else "egg" for x in command]
    wrong[wrong.index(str(out))] = str(tmp_path / "new")
    assert main(wrong) == 1
    assert "--positive egg" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_the_page_of_a_study_names_its_errors_and_parts(found):
    page = study_page(found)
    for title in ("The rows", "What an error costs", "The choice", "More labels", "The test"):
        assert title in page
    worst = errors_of(found)
    assert worst[0]["cost"] == max(x["cost"] for x in worst)
    assert len(found.slices()) >= 4
