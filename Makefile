# make demo        the whole product with a fictional club   (ARGS="--refs 2000 --port 8001")
# make test        every test on the embedded database       (ARGS="-k import")
# make test-postgres  the same on PostgreSQL (DATABASE_URL, else the database kore_test on this machine)
# make lint        every check that runs nothing             make bench   the figures of the README
# make pins        compile requirements*.txt anew from requirements*.in
# make verify-pretix  pulls from a real pretix, which it installs from PyPI on first use  (ARGS="--venv PATH")
#
# All of them need Python 3.11 or newer and nothing else: the first one makes .venv and fills it.

PYTHON ?= python3
ARGS ?=
PY := .venv/bin/python
RUN_PINS := .venv/.run-$(shell cat requirements.txt | cksum | tr ' ' '-')
DEV_PINS := .venv/.dev-$(shell cat requirements.txt requirements-dev.txt | cksum | tr ' ' '-')
PIP := $(PY) -m pip install -qq --disable-pip-version-check

.DELETE_ON_ERROR:
.PHONY: demo test test-postgres lint bench verify-pretix pins

demo: $(RUN_PINS)
	@exec $(PY) manage.py demo $(ARGS)

test: $(DEV_PINS)
	@env -u DATABASE_URL tests/run.sh $(ARGS)

test-postgres: $(DEV_PINS)
	@SECRET_KEY=$${SECRET_KEY:-only-for-tests} \
	DATABASE_URL=$${DATABASE_URL:-postgres://kore:kore@127.0.0.1/kore_test} tests/run.sh $(ARGS)

lint: $(DEV_PINS)
	@tests/lint.sh

bench: $(DEV_PINS)
	@$(PY) -m benchmarks $(ARGS)

verify-pretix: $(RUN_PINS)
	@$(PY) -m verification.pretix $(ARGS)

pins: $(DEV_PINS)
	@$(PIP) uv
	.venv/bin/uv pip compile --quiet --no-emit-index-url --python-version 3.11 \
		requirements.in -o requirements.txt
	.venv/bin/uv pip compile --quiet --no-emit-index-url --python-version 3.11 \
		requirements-dev.in -o requirements-dev.txt

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 11) and sys.exit("Kore needs Python 3.11 or newer; " \
		"$(PYTHON) is %d.%d. If you have a newer one, name it: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@echo "Making .venv ..."
	@$(PYTHON) -m venv .venv || { \
		rm -rf .venv; \
		echo "Python could not make a virtual environment. On Debian and Ubuntu its package is called python3-venv."; \
		exit 1; }

$(RUN_PINS): | .venv/bin/pip
	@echo "Installing what Kore runs on ..."
	@$(PIP) -r requirements.txt
	@rm -f .venv/.run-*
	@touch $@

$(DEV_PINS): | .venv/bin/pip
	@echo "Installing what Kore is tested with ..."
	@$(PIP) -r requirements.txt -r requirements-dev.txt
	@rm -f .venv/.dev-*
	@touch $@
