"What the README prints runs as it is printed."

import csv
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)


def test_the_three_verbs_run(capsys):
    names = {}
    exec(BLOCKS[0], names)
    assert names["performance"].rows == 1000
    assert 0 <= names["performance"]["accuracy"] <= 1


def test_your_own_csv_in_five_lines(tmp_path, monkeypatch, capsys):
    from ftcourse.data.world.generator import generate

    monkeypatch.chdir(tmp_path)
    with open("mine.csv", "w", newline="", encoding="utf-8") as f:
        rows = csv.writer(f)
        rows.writerow(["review", "stars"])
        rows.writerows(
            [r["text"], {"negative": 1, "positive": 5}[r["label"]]] for r in generate("reviews", "train", 240, seed=0)
        )
    names = {}
    exec(BLOCKS[1], names)
    assert "accuracy" in capsys.readouterr().out
    assert names["M"].predict(["The waiter was charming.", "Our room was dirty."]) == ["5", "1"]
    assert (tmp_path / "my-model" / "model.safetensors").exists()
    assert len(BLOCKS[1].strip().splitlines()) == 7  # an import, a blank line, five lines


def test_every_link_leads_somewhere():
    places = [p for p in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in p]
    assert places
    assert [p for p in places if not (ROOT / p).exists()] == []
