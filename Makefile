# Every command of the project; CI calls the same ones. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
DEMO ?= deploy/demo.yaml
SIDE_BY_SIDE = --dist loadfile --no-loadscope-reorder --durations=25
# Four at a time on two cores, and one beside them in production mode: much of a test is waiting.
EMBEDDED = $(BIN)/python -m pytest -n 4 $(SIDE_BY_SIDE)
IN_PRODUCTION = env OMG_TEST_WORKERS=$${OMG_TEST_WORKERS-2} $(BIN)/python -m tests.support.stores.stores \
	$(BIN)/python -m pytest tests/functional -m "both_modes and not runs_once and not soak" -n 2 $(SIDE_BY_SIDE)
COVERED = tests/unit tests/integration tests/contract tests/functional -n 4 --timeout 300 $(SIDE_BY_SIDE)
# Each of the two is a process group of its own (set -m): what it has started ends with it. An interrupt lets pytest take
# its servers down; a process that has not ended after half a minute is killed.
END_BOTH = kill -INT -- -$$embedded -$$beside 2> /dev/null; \
	for _ in $$(seq 300); do kill -0 $$embedded 2> /dev/null || kill -0 $$beside 2> /dev/null || break; sleep 0.1; done; \
	kill -KILL -- -$$embedded -$$beside 2> /dev/null
# The locks name every package, so nothing is left to resolve: no release of anything can change what is installed.
INSTALL = $(BIN)/python -m pip install -q --no-deps --require-hashes
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test test-fast test-embedded test-production cover lint types installs bench bench-production bench-peers soak migrate lock clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 20

setup: .venv/production.stamp  ## make .venv from the pinned requirements, for both modes

.venv/base.stamp: requirements/base.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; name it with PYTHON=..."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing what the gateway needs (once) ..."
	@$(INSTALL) -r requirements/base.txt
	@touch $@

.venv/production.stamp: .venv/base.stamp requirements/production.txt
	@echo "Installing what PostgreSQL, Redis and Celery need (once) ..."
	@$(INSTALL) -r requirements/base.txt -r requirements/production.txt
	@touch $@

setup-dev: .venv/dev.stamp .venv/clients.stamp .venv/browser.stamp

.venv/dev.stamp: .venv/production.stamp requirements/dev.txt
	@echo "Installing what the tests need (once) ..."
	@$(INSTALL) -r requirements/base.txt -r requirements/production.txt -r requirements/dev.txt
	@touch $@

# Some tests use clients of Node, where npm is installed. Nothing else needs it, so without npm only those are left out.
.venv/clients.stamp: .venv/dev.stamp tests/support/clients/programs/package-lock.json
	@if command -v npm > /dev/null; then \
		echo "Installing the Node client that a test drives (once) ..."; \
		npm ci --prefix tests/support/clients/programs --ignore-scripts --no-audit --no-fund --fetch-retries=0 --loglevel=error > /dev/null \
			|| echo "It cannot be had: its test is left out."; \
	fi
	@touch $@

# A browser is a package of the system, installed if we have the permission. Without a browser its tests are left out.
.venv/browser.stamp: .venv/dev.stamp
	@if ! command -v chromium > /dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo "Installing Chromium (once) ..."; \
		get="apt-get -o DPkg::Lock::Timeout=60 -qq install -y --no-install-recommends chromium"; \
		{ $$get || { apt-get -qq update && $$get; }; } > /dev/null 2>&1 || echo "It cannot be had: its tests are left out."; \
	fi
	@touch $@

run: .venv/base.stamp  ## start the embedded gateway with the demo on http://127.0.0.1:8080; ARGS="--port 8090" elsewhere
	@ROUTER_CONFIG_FILE="$${ROUTER_CONFIG_FILE:-$(DEMO)}" ROUTER_OBSERVABILITY_LOG_FORMAT="$${ROUTER_OBSERVABILITY_LOG_FORMAT:-text}" \
		exec $(BIN)/python manage.py serve --welcome deploy/welcome.txt $(ARGS)

test: setup-dev  ## run the whole test suite, embedded and in production mode; with ARGS only those, embedded
ifeq ($(ARGS),)
	@set -m; said=$$(mktemp); $(IN_PRODUCTION) -n 1 > $$said 2>&1 & beside=$$!; \
	$(EMBEDDED) & embedded=$$!; \
	trap 'trap "" INT TERM; $(END_BOTH); rm -f $$said; exit 130' INT TERM; \
	wait $$embedded; code=$$?; wait $$beside; also=$$?; \
	echo; echo "In production mode:"; cat $$said; rm -f $$said; exit $$((code ? code : also))
else
	@$(BIN)/python -m pytest $(ARGS)
endif

test-fast: setup-dev  ## run what needs no servers of its own: unit, architecture, contract, and lint beside them
	@said=$$(mktemp); $(MAKE) --no-print-directory lint > $$said 2>&1 & lint=$$!; \
	$(BIN)/python -m pytest tests/unit tests/architecture tests/contract -n 3 --dist loadfile --no-loadscope-reorder; code=$$?; \
	wait $$lint; also=$$?; cat $$said; rm -f $$said; exit $$((code ? code : also))

test-embedded: setup-dev  ## run the whole test suite, embedded only
	@$(EMBEDDED) $(ARGS)

test-production: setup-dev  ## run the tests of both modes on PostgreSQL and Redis, two workers each
	@$(IN_PRODUCTION) $(ARGS)

cover: setup-dev  ## run the tests, embedded, with branch coverage and its floor; with ARGS only those, and no floor
	@rm -rf .coverage.d htmlcov
	@$(BIN)/coverage run -m pytest $(or $(ARGS),$(COVERED)); code=$$?; \
	$(BIN)/coverage combine -q && $(BIN)/coverage html -q --fail-under=0 && $(BIN)/coverage report $(if $(ARGS),--fail-under=0); also=$$?; \
	exit $$((code ? code : also))

lint: setup-dev  ## check style, formatting and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache

types: setup-dev  ## check types
	@$(BIN)/mypy .

installs: setup-dev  ## install the locks with the oldest and the newest pip; ARGS=--all on every Python at hand
	@$(BIN)/python -m tests.support.servers.installs $(ARGS)

bench: setup-dev  ## measure throughput and added latency on this machine
	@$(BIN)/python -m tests.bench $(ARGS)

bench-production: setup-dev  ## the same in production mode, on a PostgreSQL and a Redis of its own
	@$(BIN)/python -m tests.support.stores.stores $(BIN)/python -m tests.bench $(ARGS)

bench-peers: setup-dev  ## the same beside LiteLLM and Portkey, installed into .bench
	@$(BIN)/python -m tests.bench --install-peers $(ARGS)

soak: setup-dev  ## long runs: kill -9 torture, memory; then random examples, and all bodies in full size
ifeq ($(ARGS),)
	@failed=0; \
	OMG_TEST_EXAMPLES=random $(BIN)/python -m pytest -m soak --timeout 3600 || failed=1; \
	OMG_TEST_EXAMPLES=random $(BIN)/python -m pytest tests/unit -n 2 --dist loadfile || failed=1; \
	OMG_TEST_SIZES=whole $(BIN)/python -m pytest tests/functional/hostile/test_event_loop_is_free.py || failed=1; \
	exit $$failed
else
	@$(BIN)/python -m pytest -m soak --timeout 3600 $(ARGS)
endif

migrate: setup  ## bring the database of data_dir up to date
	@$(BIN)/python manage.py migrate

lock:  ## compile requirements/*.in into hashed *.txt
	@for set in base production dev; do \
		uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url \
			requirements/$$set.in -o requirements/$$set.txt || exit; done

clean:  ## remove what the commands made, but not data/
	@rm -rf .venv .bench tests/support/clients/programs/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage.d htmlcov bench-results
