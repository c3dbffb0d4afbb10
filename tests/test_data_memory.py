"""A large file loads flat: what stays in memory is a few bytes per row, the texts stay on disk.

Measured in a process of its own.
"""

import os
import subprocess
import sys

import pytest

ROWS, WORDS = 40_000, 260  # about 60 MB
CHILD = """
import resource, sys
from ftcourse.data import load_task
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024     # MiB
load_task(sys.argv[1])          # imports and pools are paid by a small file
before = peak()
task = load_task(sys.argv[2])
loaded = peak()
small = task.take(32)
print(before, loaded, peak(), sum(map(len, task.splits.values())), len(small.train))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss has another unit on other systems")
def test_sixty_megabytes_load_in_less_than_forty(tmp_path):
    small, large = tmp_path / "small.csv", tmp_path / "large.csv"
    for file, n in ((small, 2000), (large, ROWS)):
        with open(file, "w", encoding="utf-8") as f:
            f.write("text,label\n")
            f.writelines(f"row {i} {'words ' * WORDS},{i % 2}\n" for i in range(n))
    env = os.environ | {"FTCOURSE_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    out = subprocess.run([sys.executable, "-c", CHILD, str(small), str(large)], env=env, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    before, loaded, _, rows, taken = map(float, out.stdout.split())
    size = large.stat().st_size / 2**20
    print(f"{size:.0f} MiB file: peak {before:.0f} -> {loaded:.0f} MiB")
    assert size > 55, (size, before, loaded)
    assert rows == ROWS, (size, before, loaded)
    assert taken == 32, (size, before, loaded)
    assert loaded - before < 40, (size, before, loaded)
