#!/bin/sh
# Runs the tests on every core; the browser tests too where a Chromium and its driver are installed.
set -eu
browsers=
if [ ! -x /usr/bin/chromium ] || [ ! -x /usr/bin/chromedriver ]; then
	echo "No Chromium with its driver here (Debian: chromium, chromium-driver): the browser tests are left out."
	browsers="not browser"
fi
# A worker has a core to itself; what several threads of the engine come to, its own tests look at.
export GROUPING_THREADS="${GROUPING_THREADS:-1}"
exec .venv/bin/python -m pytest -n auto --dist loadgroup -m "$browsers" "$@"
