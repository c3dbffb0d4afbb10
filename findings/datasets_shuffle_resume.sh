#!/usr/bin/env bash
# datasets 5.2.0: a streamed and shuffled data set that goes on from its state_dict gives some rows twice and others never.
# Guess before the try: the documentation says that a resumed shuffle buffer is filled anew, so the rows that lay in it
# are lost, as many as the buffer holds at most; no row comes twice.
# Seen: of 200 rows with a buffer of 50, stopped after 60, the resumed rest has 115 rows in place of 140: 31 rows never
# come, and 6 come a second time. A warning says that the buffer is filled anew; it speaks neither of lost rows nor of
# double ones. Without `shuffle` the rest is exact. Known since December 2025: github.com/huggingface/datasets/issues/7901.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check datasets==5.2.0 2>/dev/null
"$place/env/bin/python" - <<'PY'
import logging

import datasets
from datasets import Dataset

logging.disable(logging.WARNING)
print("datasets", datasets.__version__)
rows = range(200)


def made(shuffled):
    data = Dataset.from_dict({"a": list(rows)}).to_iterable_dataset(num_shards=4)
    return data.shuffle(seed=0, buffer_size=50) if shuffled else data


def stopped(shuffled, k):
    data = made(shuffled)
    reader = iter(data)
    first = [next(reader)["a"] for _ in range(k)]
    state, rest = data.state_dict(), [row["a"] for row in reader]
    data = made(shuffled)
    data.load_state_dict(state)
    return first, rest, [row["a"] for row in data]


for shuffled in (False, True):
    first, rest, resumed = stopped(shuffled, 60)
    twice, lost = set(first) & set(resumed), set(rows) - set(first) - set(resumed)
    print(f"shuffled {shuffled}: rest {len(rest)}, resumed {len(resumed)}, twice {len(twice)}, never {len(lost)}")
    if shuffled:
        assert twice and lost, "changed: the resumed rest has each row once"
    else:
        assert resumed == rest, "changed: without shuffling the rest is another"
PY
