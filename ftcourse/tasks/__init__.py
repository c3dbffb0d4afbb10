"""Tasks by name. Each module is one family, and importing this package makes their names known.

`load_task` and the verbs import it when they look a name up.
"""

from ftcourse.data.load.load import as_task, load_task
from ftcourse.tasks import glue as glue
from ftcourse.tasks import instructions as instructions
from ftcourse.tasks import qa as qa
from ftcourse.tasks import rewards as rewards
from ftcourse.tasks import sentiment as sentiment
from ftcourse.tasks import topics as topics
from ftcourse.tasks.base import TASKS, Definition, define, real_data


def _pairs():
    "Rows of the task `preferences`, whose module needs torch and is imported when they are asked for."
    from ftcourse.tasks.preferences import built_in_pairs

    return built_in_pairs()


define(
    "preferences",
    "Which of two completions is better? Three sorts of generated pairs: words of praise in the order of the alphabet, "
    "praise or complaint, and praise that is mostly the longer text",
    _pairs,
    kind="preference",
)

__all__ = ["TASKS", "Definition", "as_task", "define", "load_task", "real_data"]
