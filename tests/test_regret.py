"Runs with few labels, and the pages made of them: `make regret`, `make box`, `make real`."

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "measure"))
import box  # noqa: E402
import common  # noqa: E402
import few_labels  # noqa: E402
import real_budgets  # noqa: E402
import regret  # noqa: E402


def runs(*scores, seconds=1.0):
    return [{"score": s, "seconds": seconds} for s in scores]


def test_regret_is_the_best_arm_s_mean_above_the_defaults():
    arms = {"defaults": runs(0.5, 0.7, 0.9), "twice the rate": runs(0.6, 0.8), "half the rate": runs(0.6, 0.6)}
    value, best = regret.regret(arms)
    assert (round(value, 9), best) == (0.1, "twice the rate")  # over the two seeds that all arms have
    assert regret.regret({"defaults": runs(0.5)}) is None
    assert regret.regret({"defaults": runs(0.9), "twice the rate": runs(0.5)}) == (0.0, "defaults")


def test_the_page_says_what_is_behind_and_by_how_much():
    job = lambda arm, seed: regret.Job("mini-bert", "reviews", 32, seed, arm)
    done = {job("defaults", s): r for s, r in enumerate(runs(0.8, 0.6))}
    done |= {job("frozen", s): r for s, r in enumerate(runs(0.75, 0.75, seconds=4.0))}
    done |= {job("SetFit", s): r for s, r in enumerate(runs(0.7, 0.6, seconds=4.0))}
    done |= {job("the other start", s): r for s, r in enumerate(runs(0.9, 0.7))}
    record = {"machine": {"threads": 1}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regret, "described", lambda machine: "here")
        text = regret.written(record, done)
    assert "Mean regret 0.100 over 1 cells: aim 0.02 **not met**" in text
    assert "Against frozen: ahead or within .01 in 0 of 1 cells" in text
    assert "mini-bert, reviews 32 (-0.050). Worst single run: -0.150; more than 0.03 behind: 1 of 2 (" in text
    assert "Against SetFit: ahead or within .01 in 1 of 1 cells (aim 9 of 10 met)." in text
    assert "CPU seconds ÷ SetFit's: 0.25 on average over 1 cells (aim .5 met)." in text


def test_regret_is_set_beside_what_is_gained_over_the_frozen_vectors():
    cell = lambda frozen, best: {"frozen": runs(frozen), "defaults": runs(0.6), "twice the rate": runs(best)}
    cells = {n: cell(0.6 - n / 100, 0.6 + n / 100) for n in range(5)}
    regrets = {n: regret.regret(arms)[0] for n, arms in cells.items()}
    assert regret.goes_with_gain(cells, regrets) == pytest.approx(1)
    fewer = {n: regrets[n] for n in range(4)}
    assert regret.goes_with_gain(cells, fewer) is None


def test_an_arm_changes_one_choice():
    task = few_labels.rows_of("reviews", 16, 0)
    change = {arm: few_labels.changes(arm, "tiny-bert", task, 0) for arm in ("defaults", *regret.GRID)}
    assert change["defaults"] == {}
    assert change["twice the rate"]["lr"] == 4 * change["half the rate"]["lr"]
    assert change["twice the updates"]["max_steps"] == 4 * change["half the updates"]["max_steps"]
    assert change["twice the rate"]["head_start"] == "regression"  # as the defaults begin
    assert change["the other start"] == {"head_start": "random"}


def test_simple_arms_and_one_run():
    for arm in ("bag of words", "frozen"):
        found = few_labels.one(few_labels.Job("tiny-bert", "reviews", 32, 0, arm))
        assert 0.4 < found["score"] <= 1 and found["seconds"] > 0


def test_pages_share_their_runs():
    mine = lambda jobs: {j for j in jobs if j.model == "mini-bert" and j.arm == "defaults"}
    curves = mine(real_budgets.jobs_of(few_labels.REAL)) if few_labels_data() else set()
    plan = {
        few_labels.Job("mini-bert", task, n, seed, "defaults") for task, n in box.CELLS for seed in range(box.SEEDS)
    }
    assert mine(box.jobs_of()) == plan <= mine(regret.jobs_of(2))
    assert not curves or plan <= curves


def few_labels_data():
    from ftcourse.core.settings import data_folder

    return data_folder()


def test_what_a_run_stands_on(monkeypatch):
    job = few_labels.Job("mini-bert", "reviews", 32, 0, "defaults")
    before = few_labels.key(job)
    monkeypatch.setattr(few_labels, "recipe", lambda: "another")
    assert few_labels.key(job) != before
    bags = [few_labels.Job(model, "reviews", 32, 0, "bag of words") for model in ("mini-bert", "tiny-bert")]
    assert len(set(map(few_labels.key, bags))) == 1  # a bag of words has no model


def test_the_recipe_is_its_code_and_not_its_comments(tmp_path, monkeypatch):
    def found(*sources):
        for name, source in zip(common.RECIPE, sources):
            (tmp_path / "ftcourse" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "ftcourse" / name).write_text(source)
        common.recipe.cache_clear()
        return common.recipe()

    monkeypatch.setattr(common, "HERE", tmp_path / "measure")
    one = found('"a docstring"\ndef f():\n    "says"\n    return 1  # so\n', "x = 2\n")
    assert one == found('"another"\ndef f():\n    "says more"\n    return 1\n', "x = 2\n")
    assert one != found('"a docstring"\ndef f():\n    "says"\n    return 2\n', "x = 2\n")
    common.recipe.cache_clear()


@pytest.mark.parametrize("page", [box, real_budgets])
def test_pages_say_which_aims_are_missed(page, monkeypatch):
    monkeypatch.setattr(page, "described", lambda machine: "here")
    record = {"machine": {}, "to real": {}, "skipped": [], "rows": dict.fromkeys(few_labels.REAL, 500)}
    model = "mini-bert" if page is box else "teacher"
    done = {few_labels.Job(model, "trec", 512, s, "defaults"): {"score": 0.9 + s / 10, "seconds": 2.0} for s in (0, 1)}
    if page is real_budgets:
        record["arms"], record["seconds"] = page.by_arm(done)
        assert record["arms"] == {"MiniLM, fine-tuned": {"trec": {"512": [0.9, 1.0]}}}
        assert "512 labels 0.93: met (0.950)" in page.written(record)
    else:
        assert "trec with 512 labels 0.85: met (0.950, 2 seeds)" in page.written(record, done)
    lost = {job: r | {"score": 0.5} for job, r in done.items()}
    if page is real_budgets:
        record["arms"], record["seconds"] = page.by_arm(lost)
    assert "**not met**" in (page.written(record) if page is real_budgets else page.written(record, lost))


def test_jobs_of_one_key_are_one_run(tmp_path, monkeypatch):
    import ftcourse.core.settings as settings

    monkeypatch.setattr(settings, "cache_folder", lambda: tmp_path)
    ran = []
    runs = common.Runs("some", lambda job: ran.append(job) or {"score": job}, key=lambda job: str(job % 2))
    runs.make("some", [0, 1, 2, 3], lambda job, r: "")
    assert len(ran) == 2 and set(runs) == {0, 1, 2, 3}
    assert runs[0] == runs[2] and runs[1] == runs[3]
    again = common.Runs("some", ran.append, key=lambda job: str(job % 2))
    again.make("some", [0, 1, 5], lambda job, r: "")
    assert again[5] == runs[1] and len(ran) == 2
