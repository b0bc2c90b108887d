#!/bin/sh
# Every check that runs no test, in the order of their speed; stops at the first that complains.
set -eu
bin=.venv/bin
step() {
	printf '%s\n' "-- $*"
	"$@"
}
templates() { git ls-files --cached --others --exclude-standard 'templates/*.html' '*/templates/*.html'; }

step $bin/ruff check .
step $bin/ruff format --check .
if [ -n "$(templates)" ]; then
	templates | tr '\n' '\0' | xargs -0 $bin/djade --check --target-version 5.2
	templates | tr '\n' '\0' | xargs -0 $bin/djhtml --check --tabwidth 2
fi
step $bin/lint-imports
step $bin/python manage.py makemigrations --check --dry-run
step $bin/mypy
step $bin/python -m tests.requirements_report --check
