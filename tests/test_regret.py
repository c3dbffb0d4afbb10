"`make regret`: what is counted as regret, and one run of each cheap arm."

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "measure"))
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
    assert "mini-bert, reviews 32 (-0.050). Worst single run: -0.150." in text
    assert "Against SetFit: ahead or within .01 in 1 of 1 cells (aim 9 of 10 met)." in text
    assert "CPU seconds ÷ SetFit's: 0.25 on average over 1 cells (aim .5 met)." in text


def test_an_arm_changes_one_choice():
    task = regret.rows_of("reviews", 16, 0)
    change = {arm: regret.changes(arm, "tiny-bert", task, 0) for arm in ("defaults", *regret.GRID)}
    assert change["defaults"] == {}
    assert change["twice the rate"]["lr"] == 4 * change["half the rate"]["lr"]
    assert change["twice the updates"]["max_steps"] == 4 * change["half the updates"]["max_steps"]
    assert change["twice the rate"]["head_start"] == "regression"  # as the defaults begin
    assert change["the other start"] == {"head_start": "random"}


def test_simple_arms_and_one_run():
    for arm in ("bag of words", "frozen"):
        found = regret.one(regret.Job("tiny-bert", "reviews", 32, 0, arm))
        assert 0.4 < found["score"] <= 1 and found["seconds"] > 0
