#!/usr/bin/env bash
# scikit-learn 1.9.1: `cohen_kappa_score(weights="quadratic")` weighs by the place of a label among those that occur.
# Guess before the try: for whole numbers it weighs by their difference, so stars 2 and 5 are three steps apart.
# Seen: where no row has 3 or 4 stars, 2 and 5 are one step apart, and the same predictions get another kappa than
# with the full scale; no warning. Two test sets, or two models on one, are then not comparable. As words, "10" stands
# between "1" and "2". `labels=[1, 2, 3, 4, 5]` gives the value by differences.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.3.5 2>/dev/null
"$place/env/bin/python" - <<'PY'
import warnings
from importlib.metadata import version

import numpy as np
from sklearn.metrics import cohen_kappa_score

warnings.simplefilter("error")
true, said = np.array([1, 1, 2, 2, 5, 5, 1, 2]), np.array([1, 2, 2, 5, 5, 5, 1, 1])
apart = ((true - said) ** 2).mean()
by_chance = ((true[:, None] - said[None, :]) ** 2).mean()
exact = 1 - apart / by_chance
seen = cohen_kappa_score(true, said, weights="quadratic")
full = cohen_kappa_score(true, said, weights="quadratic", labels=[1, 2, 3, 4, 5])
print("scikit-learn", version("scikit-learn"))
print(f"by the differences of the stars {exact:.4f}, with labels=1…5 {full:.4f}, without {seen:.4f}")
assert abs(full - exact) < 1e-12, "changed: labels= no longer gives the differences"
assert round(seen, 4) == 0.7273 != round(exact, 4), "changed: stars that no row has count"
grades = [1, 2, 9, 10, 10, 3], [2, 2, 10, 10, 9, 3]
numbers = cohen_kappa_score(*grades, weights="quadratic")
words = cohen_kappa_score(*(list(map(str, x)) for x in grades), weights="quadratic")
print(f"grades to 10 as numbers {numbers:.4f}, as words {words:.4f}")
assert round(numbers, 4) == 0.8696 and round(words, 4) == -0.2, "changed: the order of words"
PY
