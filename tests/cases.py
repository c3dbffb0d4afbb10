"The folder of cases, ../shared/cases or FTCOURSE_CASES, for test_cases.py and test_cases_data.py."

import json
import os
from pathlib import Path

import pytest

from ftcourse.core.settings import data_folder

DATA = data_folder()
if "FTCOURSE_CASES" in os.environ:
    CASES = Path(os.environ["FTCOURSE_CASES"])
else:
    CASES = DATA.parent / "cases" if DATA else Path("no cases")


def read(name):
    "A case of the folder; None where it is not there."
    file = CASES / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def skip():
    pytest.skip(f"no folder of cases ({CASES}): set FTCOURSE_CASES")
