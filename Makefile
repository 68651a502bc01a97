# One command for each thing one does here. `make help` lists them; the first use installs everything into .venv.
ROOT := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
BIN := .venv/bin
IS_3_11 := import sys; sys.exit(sys.version_info[:2] != (3, 11))
PYTHON ?= $(shell for python in python3.11 python3 python; do \
	$$python -c '$(IS_3_11)' 2>/dev/null && command -v $$python && break; done)
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
SHELL := bash
.DEFAULT_GOAL := help

# Two processes share the work (tests/conftest.py says how). Quick suites first, then those that take longest; `system`
# measures times, so it begins when `access` has ended, which starts as many processes.
FIRST := architecture contracts access auth products system shared deploy
FOUND := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard $(ROOT)tests/*/test_*.py)))))
SUITES := $(foreach first,$(FIRST),$(filter $(first),$(FOUND))) $(filter-out $(FIRST),$(FOUND))

.PHONY: help run test demo bench contracts lock secrets clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' "$(ROOT)Makefile"

run: $(ROOT).venv/.installed ## Start the whole system here (ARGS="--replicas profiles=2"); Ctrl-C stops it
	@cd "$(ROOT)" && exec $(BIN)/selfservice up $(ARGS)

test: $(ROOT).venv/.installed ## Check format, lint and types, then run every test
	@cd "$(ROOT)" && set -x && $(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && \
	$(BIN)/pytest -n 2 --dist loadgroup $(addprefix tests/,$(SUITES)) $(ARGS)
	@echo "make test: format, lint, types and every test are fine."

demo: $(ROOT).venv/.installed ## Walk through one company's day against the running system
	@cd "$(ROOT)" && exec $(BIN)/selfservice demo $(ARGS)

bench: $(ROOT).venv/.installed ## Measure appends, log, views and commands, as ratios within one run
	@cd "$(ROOT)" && exec $(BIN)/python -m tests.bench $(ARGS)

contracts: $(ROOT).venv/.installed ## Write deploy/contracts anew (ARGS=--check only compares)
	@cd "$(ROOT)" && exec $(BIN)/selfservice contracts $(ARGS)

lock: ## Write both lock files anew from pyproject.toml, without index addresses
	@cd "$(ROOT)" && tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && \
	$(PYTHON) -m venv "$$tools" && "$$tools/bin/pip" install --quiet uv && \
	compile() { "$$tools/bin/uv" pip compile --quiet --generate-hashes --no-header --no-annotate --python-version 3.11 \
		--no-emit-index-url --no-emit-find-links pyproject.toml "$$@"; } && \
	compile -o requirements.lock && compile --all-extras -c requirements.lock -o requirements-dev.lock

secrets: ## Make the secrets that docker-compose.yml reads, into var/secrets
	@"$(ROOT)deploy/secrets.sh" "$(ROOT)var/secrets"

clean: ## Remove .venv and every cache; the data in var stay
	@cd "$(ROOT)" && rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info build
	@find "$(ROOT)" -name __pycache__ -type d -prune -exec rm -rf {} +

# Installed again only when a lock or the project's own settings changed.
$(ROOT).venv/.dependencies: $(ROOT)requirements-dev.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing what requirements-dev.lock names into .venv; the first time takes a minute or two."
	@cd "$(ROOT)" && $(PYTHON) -m venv .venv && $(BIN)/pip install --require-hashes -r requirements-dev.lock && touch $@

$(ROOT).venv/.installed: $(ROOT).venv/.dependencies $(ROOT)pyproject.toml
	@cd "$(ROOT)" && $(BIN)/pip install --quiet --no-deps --no-build-isolation -e . && touch $@
