"""Tasks by name. Each module is one family, and importing this package makes their names known.

`load_task` and the verbs import it when they look a name up.
"""

from ftcourse.data.load.load import as_task, load_task
from ftcourse.tasks import glue as glue
from ftcourse.tasks import instructions as instructions
from ftcourse.tasks import preferences as preferences
from ftcourse.tasks import qa as qa
from ftcourse.tasks import rewards as rewards
from ftcourse.tasks import sentiment as sentiment
from ftcourse.tasks import topics as topics
from ftcourse.tasks.base import TASKS, Definition, define, real_data

__all__ = ["TASKS", "Definition", "as_task", "define", "load_task", "real_data"]
