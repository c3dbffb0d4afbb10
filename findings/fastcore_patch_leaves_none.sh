#!/usr/bin/env bash
# fastcore 2.2.39: a method added with @patch leaves its name in the module, bound to None.
# Seen: `from module import take` succeeds and gives None, where an ImportError would name the mistake;
# the mistake shows later, as "'NoneType' object is not callable". A star import hands None on too.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check fastcore==2.2.39 2>/dev/null
cat > "$place/shop.py" <<'PY'
from fastcore.basics import patch


class Basket:
    def __init__(self):
        self.items = []


@patch
def take(self: Basket, item):
    "Put an item into the basket."
    self.items.append(item)
    return self
PY
cd "$place"
"$place/env/bin/python" - <<'PY'
from importlib.metadata import version

import shop
from shop import take

starred = {}
exec("from shop import *", starred)
print("fastcore", version("fastcore"))
print("the method works:", shop.Basket().take("pear").items)
print("from shop import take gives:", take)
print("from shop import * gives take:", starred.get("take", "nothing"))
assert shop.Basket().take("pear").items == ["pear"]
assert take is None, "changed: the name is no longer None"
assert "take" in starred and starred["take"] is None, "changed: a star import no longer hands None on"
PY
