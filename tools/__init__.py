"""Build tools of the repository: notebooks to package and tests, the stamped address, the site. Not in the wheel."""

import os


def write_whole(path, text):
    """Write a file in one piece: who runs tests meanwhile never sees half of it.

    Not `ftcourse.core.files`: these tools write the package, so they run where it is missing or broken.
    """
    temp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temp.write_text(text, encoding="utf-8")
        os.replace(temp, path)
    except BaseException:
        temp.unlink(missing_ok=True)
        raise
