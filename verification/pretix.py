"""Pulls from a real pretix: installs it, fills it, changes it, and looks at what Kore makes of it.

    make verify-pretix                           everything in var/verification
    python -m verification.pretix --venv PATH    with a virtual environment that has pretix already

Exit code 0: every check held; 1: one did not, or pretix could not be started.
"""

import argparse
import sys
from pathlib import Path

from verification.box_office import Refused
from verification.checks import Checks
from verification.kore import ROOT, CommandFailed, Kore
from verification.pretix_server import VERSION, CannotStart, installed, pretix_server

FOLDER = ROOT / "var" / "verification"


def main(arguments: list[str] | None = None) -> int:
    """Run the verification; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="verification.pretix", description=f"Pull from a real pretix {VERSION}."
    )
    parser.add_argument("--venv", type=Path, default=FOLDER / "pretix-venv", help="made where there is none")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for both databases; emptied first")
    options = parser.parse_args(arguments)
    checks = Checks()
    try:
        python = installed(options.venv.absolute())
        with pretix_server(python, options.folder.absolute() / "pretix") as server:
            kore = Kore(options.folder.absolute() / "kore")
            from verification.pretix_story import tell  # noqa: PLC0415  (Kore's settings first)

            tell(kore, server, checks)
    except (CannotStart, CommandFailed, Refused) as failure:
        checks.true("it runs to the end", False, said=str(failure))
    print(checks.summary())
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
