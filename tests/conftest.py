"Fixtures for all tests; a failure of an extracted test names the notebook cell it came from."

import os
import re

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # tests never reach for the network
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("FTCOURSE_PROFILE", "tiny")

import pytest  # noqa: E402


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and item.path.parent.name in ("lessons", "toolkit"):
        lines = item.path.read_text(encoding="utf-8").splitlines()[: item.location[1] + 1]
        hit = next((m for line in reversed(lines) if (m := re.match(r"# %% (\S+) #(\S+)", line))), None)
        if hit:
            report.sections.append(("notebook cell", f"{hit[1]}, cell {hit[2]}: edit it there, then run `make export`"))
    return report
