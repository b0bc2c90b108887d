"""A process with everything imported that forks for each run: to start Python and Django takes seconds.

python -m tests.journeys.warm

reads runs, each a line of JSON, [arguments, file for stdout, file for stderr], and answers each with its exit
code, negative for the signal it died of.
"""

import importlib
import json
import os
import runpy
import sys
import traceback

import django


def serve() -> None:
    """Run what is asked for, each in a process of its own, until nobody asks any more."""
    is_warm = False
    for line in sys.stdin:
        arguments, stdout, stderr = json.loads(line)
        if not is_warm:
            _import(arguments)
            is_warm = True
        print(_run(arguments, stdout, stderr), flush=True)


def _import(arguments: list[str]) -> None:
    """All that such a run imports; the driver itself is read anew by each."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kore_site.settings")
    if arguments[0] == "-m":
        sys.argv = arguments[1:]  # drivers look there for what has to be set before Django reads its settings
        importlib.import_module(arguments[1])
        del sys.modules[arguments[1]]
    else:
        django.setup()


def _run(arguments: list[str], stdout: str, stderr: str) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for name, descriptor in ((stdout, 1), (stderr, 2)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code = _ends_with(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _ends_with(arguments: list[str]) -> int:
    """The exit code, as the interpreter would give it."""
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    serve()
