#!/usr/bin/env bash
# datasets 5.2.0: casting a ClassLabel column to a ClassLabel with the same names in another order keeps the numbers.
# Guess before the try: the names are kept and the numbers mapped, or the cast is refused, as `concatenate_datasets`
# refuses two such columns.
# Seen: every "neg" is a "pos" afterwards. The cast is what one writes to give a test set the label order of a model, and
# the accuracy of a good model falls below chance without a warning. `align_labels_with_mapping` does what was meant.
# The same shortcut lets numbers pass that no class has: https://github.com/huggingface/datasets/issues/8494
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 2>/dev/null
cd "$place"
HF_HOME="$place" HF_HUB_OFFLINE=1 "$place/env/bin/python" - <<'PY'
import warnings
from importlib.metadata import version

from datasets import ClassLabel, Dataset, Features, Value, concatenate_datasets, disable_progress_bars

disable_progress_bars()
warnings.simplefilter("error")
rows = {"text": ["dull", "lovely", "awful"], "label": ["neg", "pos", "neg"]}
mine, yours = ClassLabel(names=["neg", "pos"]), ClassLabel(names=["pos", "neg"])
data = Dataset.from_dict(rows).cast_column("label", mine)
names = lambda d: [d.features["label"].int2str(i) for i in d["label"]]
cast = data.cast_column("label", yours)
whole = data.cast(Features({"text": Value("string"), "label": yours}))
aligned = data.align_labels_with_mapping({"pos": 0, "neg": 1}, "label")
print("datasets", version("datasets"))
for what, d in {"before": data, "cast_column": cast, "cast": whole, "align_labels_with_mapping": aligned}.items():
    print(f"{what}: {names(d)}")
assert names(data) == names(aligned) == rows["label"]
assert names(cast) == names(whole) == ["pos", "neg", "pos"], "changed: a cast no longer swaps the labels"
try:
    concatenate_datasets([data, Dataset.from_dict(rows).cast_column("label", yours)])
except ValueError as e:
    print("concatenate_datasets refuses:", str(e)[:60], "…")
else:
    raise AssertionError("changed: columns of another order are joined")
PY
