#!/usr/bin/env bash
# safetensors 0.8.0: `safetensors.numpy.save_file` writes the memory of an array that is not C-contiguous as it lies.
# Guess before the try: it copies such an array first (0.7.0 did), or refuses it (as safetensors.torch does).
# Seen: it does neither. Shape and dtype come back, the values stand in other places or are values that the slice left
# out, and nothing is said: a transposed projection, every second row, an F-ordered matrix as scikit-learn's PCA gives.
# Known since August 2026: https://github.com/safetensors/safetensors/issues/825
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.3.5 2>/dev/null
cd "$place"
"$place/env/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
from safetensors.numpy import load_file, save_file

table = np.arange(6, dtype=np.float32).reshape(2, 3)
given = {"transposed": table.T, "every second": np.arange(6, dtype=np.float32)[::2], "plain": table}
save_file(given, "weights.safetensors")
found = load_file("weights.safetensors")
print("safetensors", version("safetensors"), "· numpy", version("numpy"))
for name, x in given.items():
    print(f"{name}: saved {x.tolist()}, read {found[name].tolist()}")
assert np.array_equal(found["plain"], table)
assert found["transposed"].shape == (3, 2)
assert found["transposed"].tolist() == [[0, 1], [2, 3], [4, 5]], "changed: the transposed array is not read in memory order"
assert found["every second"].tolist() == [0, 1, 2], "changed: a slice with a step is not read in memory order"
save_file({name: np.ascontiguousarray(x) for name, x in given.items()}, "copied.safetensors")
copied = load_file("copied.safetensors")
assert all(np.array_equal(copied[name], x) for name, x in given.items()), "the cure no longer works"
PY
