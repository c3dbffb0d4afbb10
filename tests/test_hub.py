"The path that Colab users take: models and data sets by id, from a stand-in of the hub on this machine."

import csv
import json
import shutil
import subprocess
import sys

import pytest
from hub import Hub, without_proxies

from ftcourse.core.settings import assets


def run(code, hub, home, **more):
    env = without_proxies() | hub.environment(home) | more
    call = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(call, capture_output=True, text=True, timeout=500, env=env)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def home(tmp_path):
    return tmp_path


@pytest.fixture
def hub(tmp_path):
    "A model in two revisions, the second with another vocabulary of labels, and a data set in two."
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(assets() / "tiny-bert", old)
    shutil.copytree(assets() / "tiny-bert", new)
    config = json.loads((new / "config.json").read_text())
    (new / "config.json").write_text(json.dumps(config | {"hidden_dropout_prob": 0.3}))
    for name, words in (("first", "fine"), ("second", "good")):
        (tmp_path / name).mkdir()
        for split, n in (("train", 80), ("validation", 20), ("test", 20)):
            with open(tmp_path / name / f"{split}.csv", "w", newline="", encoding="utf-8") as f:
                table = csv.writer(f)
                table.writerow(["text", "label"])
                table.writerows([f"the soup was {words} or bad, {split} {i}", ["no", "yes"][i % 2]] for i in range(n))
    models = {"someone/small": {"main": new, "v1": old}}
    with Hub(models, {"someone/opinions": {"main": tmp_path / "second", "v1": tmp_path / "first"}}) as hub:
        yield hub


def test_models_and_data_by_id_by_revision_and_from_the_cache(hub, home):
    first = """
import json
from ftcourse import evaluate_model, fine_tune_model, load_model, load_task
dropout = lambda m: m.network.config.hidden_dropout_prob
found = {"main": dropout(load_model("someone/small", head="lm")),
         "v1": dropout(load_model("someone/small@v1", head="lm")),
         "keyword": dropout(load_model("someone/small", head="lm", revision="v1"))}
found |= {"newest": load_task("someone/opinions").train[0]["text"],
          "pinned": load_task("someone/opinions@v1").train[0]["text"],
          "by": load_task("someone/opinions", revision=COMMIT).train[0]["text"]}
M = fine_tune_model("someone/small@v1", "someone/opinions@v1", max_steps=2)
found["rows"] = evaluate_model(M, "someone/opinions@v1").rows
print(json.dumps(found))""".replace("COMMIT", repr(hub.commit("datasets", "someone/opinions", "v1")))
    found = run(first, hub, home)
    assert found["main"] == 0.3
    assert found["v1"] == 0.1
    assert found["keyword"] == 0.1
    assert "good" in found["newest"]
    assert "fine" in found["pinned"]
    assert "fine" in found["by"]
    assert found["rows"] == 20
    fetched = [path for kind, path in hub.asked if kind == "GET" and path.endswith("model.safetensors")]
    assert len(fetched) == 1, "both revisions have the same weights"
    hub.asked.clear()
    again = """
import json
from ftcourse import load_model, load_task
print(json.dumps([load_model("someone/small@v1", head="lm").network.config.hidden_dropout_prob,
                  load_task("someone/opinions@v1").train[0]["text"]]))"""
    # what was loaded once loads without a network
    dropout, text = run(again, hub, home, HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    assert dropout == 0.1
    assert "fine" in text
    assert hub.asked == []


def test_what_the_hub_does_not_have_is_said_and_leaves_no_broken_cache(hub, home):
    code = """
import json
from ftcourse import load_model, load_task
said = []
for load in (lambda: load_model("someone/smal", head="lm"), lambda: load_model("someone/small@v9", head="lm"),
             lambda: load_model("someone/small", head="lm"),
             lambda: load_task("someone/opinion"), lambda: load_task("someone/opinions@v9")):
    try: load(); said.append("loaded")
    except ValueError as e: said.append(str(e))
print(json.dumps(said))"""
    hub.broken.add("model.safetensors")
    wrong_id, no_revision, half, no_data, no_data_revision = run(code, hub, home)
    assert "someone/smal" in wrong_id
    assert hub.endpoint in wrong_id
    assert "Check the spelling" in wrong_id
    assert "at revision v9" in no_revision
    assert "cannot load" in half
    assert "someone/opinion" in no_data
    assert "Check the name" in no_data
    assert "v9" in no_data_revision
    hub.broken.clear()
    code = """
from ftcourse import load_model
print(load_model("someone/small", head="lm").network.config.hidden_dropout_prob)"""
    assert run(code, hub, home) == 0.3, "the half-finished download is taken up, not loaded"


def test_a_model_is_pushed_with_its_card_and_comes_back_equal(hub, home):
    code = """
import json
from ftcourse import evaluate_model, fine_tune_model, load_model, load_task
from ftcourse.course.cli.model_card import push, save_with_card
task = load_task("reviews").take(32)
M = fine_tune_model("tiny-bert", task, max_steps=3, lr=1e-3)
texts = ["The waiter was charming.", "Our room was dirty."]
folder = save_with_card(M, task, evaluate_model(M, task, rows=50), None, HOME + "/mine")
where = push(folder, "someone/mine")
back = load_model("someone/mine")
print(json.dumps([where, back.predict(texts) == M.predict(texts), back.labels]))""".replace("HOME", repr(str(home)))
    where, equal, labels = run(code, hub, home)
    assert equal
    assert labels == ["negative", "positive"]
    assert where == f"{hub.endpoint}/someone/mine"
    files, _ = hub.files("models", "someone/mine", "main")
    wanted = {"README.md", "config.json", "model.safetensors", "tokenizer.json", "ftcourse.json", "report.json"}
    assert wanted <= set(files)
    assert b"## Limits" in files["README.md"]
