"The parts of `make bench`: equal arms, processes of another build, and the record of what was measured."

import json
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "measure"))
import bench  # noqa: E402
import cold  # noqa: E402
import generation  # noqa: E402
import lessons  # noqa: E402
import lowrank  # noqa: E402
import memory  # noqa: E402
import prediction  # noqa: E402
import pretraining  # noqa: E402
import races  # noqa: E402
import sft  # noqa: E402


def test_the_page_says_what_was_measured():
    record = json.loads((ROOT / "measure" / "bench.json").read_text(encoding="utf-8"))
    text = (ROOT / "measure" / "bench.md").read_text(encoding="utf-8")
    assert text.strip() == bench.written(record).strip(), "measure/bench.md does not say what measure/bench.json does"
    assert {"date", "cpu", "threads"} <= set(record["machine"])


def test_a_ratio_is_that_of_the_calmest_rounds():
    run = lambda cpu, loss: {"seconds": 2 * cpu, "cpu": cpu, "loss": loss}
    found = races.compared({"ours": [run(1.0, 0.5), run(4.0, 0.51)], "Trainer": [run(3.0, 0.5), run(5.0, 0.5)]}, 30)
    assert found["speed"]["cpu"] == {"ours": 30.0, "Trainer": 10.0}
    assert found["ratio"] == {"seconds": 3.0, "cpu": 3.0}
    assert found["median_ratio"]["cpu"] == round((3 + 1.25) / 2, 2)
    assert found["losses_agree"]


def test_both_arms_of_pretraining_begin_with_the_same_weights_and_score_alike():
    import copy

    import torch

    train, test, tokenizer = pretraining.documents(races.BATCH)
    test = test.select(range(8))
    models = {}
    for name in ("ours", "trainer"):
        run = getattr(pretraining, name)(3, train, test, tokenizer)
        inside = dict(zip(run.__code__.co_freevars, (c.cell_contents for c in run.__closure__)))
        models[name] = inside["model"].network if name == "ours" else inside["t"].model
    mine, theirs = (models[name].state_dict() for name in ("ours", "trainer"))
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[k], theirs[k]) for k in mine)
    losses = [pretraining.held_out(copy.deepcopy(m), test, tokenizer) for m in models.values()]
    assert losses[0] == losses[1] > 0
    assert models["trainer"].config.hidden_dropout_prob == 0


def test_the_pipeline_and_predict_say_the_same(tmp_path):
    from common import networks

    model = networks("tiny")
    texts = prediction.generated(["hotel", "film", "breakfast", "good", "never"], 9)
    assert min(len(t.split()) for t in texts) >= 4
    folder = str(model.save(tmp_path / "model"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine = prediction.ours(folder, texts, ["left", "right"] * 4 + ["left"])
        theirs = prediction.pipelines(folder, texts, None)
        labels, p = mine["predict"](), mine["probabilities"]()
        for how in ("plain 8", "by_length 8"):
            said = theirs[how]()
            assert [x["label"] for x in said] == labels
            assert [x["score"] for x in said] == pytest.approx(p, abs=prediction.CLOSE)
        assert mine["evaluate"]() == sum(a == b for a, b in zip(labels, ["left", "right"] * 4 + ["left"])) / 9


def test_a_worker_answers_in_json_whatever_is_printed(tmp_path):
    from contextlib import ExitStack

    from common import networks

    folder = str(networks("tiny").save(tmp_path / "model"))
    file = tmp_path / "texts.json"
    file.write_text(json.dumps([["A good film.", "A bad hotel."], ["left", "right"]]))
    with ExitStack() as stack:
        workers = prediction.Workers(stack, {"now": ROOT})
        answer = workers.ask(folder, str(file), 2, "now", "predict")
        assert set(answer["said"]) <= {"left", "right"}
        assert answer["cpu"] > 0
        share = workers.ask(folder, str(file), 2, "now", "predict", "profile")["said"]
        assert 0 < share < 1


def test_a_cold_process_has_the_build_that_is_asked_for(tmp_path):
    (tmp_path / "ftcourse.py").write_text("raise SystemExit('the working directory comes first')")
    build, folder = tmp_path / "build", tmp_path / "empty"
    (build / "ftcourse").mkdir(parents=True)
    folder.mkdir()
    (build / "ftcourse" / "__init__.py").write_text("")
    code = [sys.executable, "-c", "import ftcourse; print(ftcourse.__file__)"]
    for asked in (ROOT, build):
        seconds, said = cold.process_seconds(code, asked, folder)
        assert Path(said.strip()).parent == asked / "ftcourse"
        assert seconds > 0


def test_writing_is_raced_on_the_same_prompts_and_gives_the_same_texts():
    model, prompts = generation.tiny_gpt()
    assert len(prompts) == 32
    assert len({len(p) for p in prompts}) > 3
    found = generation.race(model, prompts[:6], 1, 8) | {"layers": 2, "ratio": dict.fromkeys(generation.WAYS, 1.5)}
    assert found["same"] == 1
    assert all(len(x["ours"]) == len(x["theirs"]) == 1 for x in found["cpu"].values())
    text = "\n".join(generation.generation_written({"tiny-gpt": found, "Llama": found}))
    assert "tiny-gpt: aim 2.0 **not met**" in text
    assert "Llama: 100% of the greedy texts are the same" in text, "its texts never end, and it has no aim"


def test_a_missed_aim_is_said_with_what_stands_behind_it():
    arm = lambda before, now: {"before": [before], "now": [now]}
    record = {
        "cpu": {"predict, Python": arm(6.0, 2.0), "first training step": arm(7.0, 4.0)},
        "floor": dict(zip(cold.FLOORS, ([1.5], [2.25], [2.75], [3.5]))),
        "same_answers": True,
        "ratio": {"predict, Python": {"calmest": 0.333, "median": 0.333}},
    }
    record["ratio"]["first training step"] = {"calmest": 0.571, "median": 0.571}
    text = "\n".join(cold.cold_written(record))
    assert "Predict, Python: aim 0.35 of 5c33c18 met." in text
    assert "First training step: aim 0.35 of 5c33c18 **not met**." in text
    assert "torch (1.50 s), datasets, which the rows are kept in (0.75 s more)" in text
    assert "Together they are 3.50 s, 0.50 of 5c33c18's step" in text
    assert "alone is" not in text, "the aim of predict is met"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts the peak of a process")
def test_the_peak_of_memory_is_counted_from_here():
    block = bytearray(64 * 2**20)
    del block
    memory.forget_peak()
    before = memory.resident("VmRSS")
    assert memory.resident("VmHWM") - before < 16 * 2**20
    block = bytearray(b"1") * (64 * 2**20)
    del block
    assert memory.resident("VmHWM") - before > 48 * 2**20


def test_reports_of_models_that_cost_nothing():
    import bench

    for kind, k, _ in bench.REPORTS:
        from ftcourse.metrics.evaluation import evaluate

        assert str(evaluate(*bench.scored_for_free(kind, k, 60)))


def test_the_cost_of_lessons_says_what_was_left_out():
    found = [{"lesson": f"{n:02}", "cpu": {"before": 10.0, "now": 6.0}} for n in range(1, 18)]
    said = "\n".join(lessons.lessons_written(found))
    assert "170 and 102 s: 0.60 times; aim 0.7 met. Not measured in this run: 18." in said
    found.append({"lesson": "18", "cpu": {"before": 10.0, "now": 60.0}})
    said = "\n".join(lessons.lessons_written(found))
    assert "0.90 times; aim 0.7 **not met**." in said and "Not measured" not in said


def test_low_rank_updates_and_full_ones_take_turns_on_the_same_rows():
    (found,) = lowrank.lowrank(quick=True)
    assert found["size"] == "tiny"
    assert {arm: len(seconds) for arm, seconds in found["cpu"].items()} == {"full": 2, "lora-8": 2}
    assert found["ratio"] == round(min(found["cpu"]["lora-8"]) / min(found["cpu"]["full"]), 3)
    text = "\n".join(lowrank.lowrank_written([found | {"size": "22M", "ratio": 0.9}]))
    assert "at most 0.75 **not met**" in text


def test_instruction_tuning_takes_turns_with_trl_on_the_same_rows():
    pytest.importorskip("trl")
    (found,) = sft.sft(quick=True)
    assert {arm: len(x) for arm, x in found["cpu"].items()} == {"ours": 1, "trl": 1}
    assert found["ratio"] == round(min(found["cpu"]["trl"]) / min(found["cpu"]["ours"]), 2)
    assert abs(found["loss"]["ours"][0] - found["loss"]["trl"][0]) < 0.5
    assert "aim 2.0 **not met**" in sft.sft_written([found | {"ratio": 1.9}])[-1]
