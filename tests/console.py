"The command line, called within this process."

import io
from contextlib import redirect_stderr, redirect_stdout

from ftcourse.course.cli.main import main


def called(*arguments):
    "Exit code, standard output and standard error of the command."
    said, complained = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(complained):
        try:
            code = main(list(map(str, arguments)))
        except SystemExit as e:
            code = e.code
    return code, said.getvalue(), complained.getvalue()
