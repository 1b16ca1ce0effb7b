# Two commands: `make demo` shows the whole loop, `make test` runs every quick check.
# Both make .venv first; it is made again only when pyproject.toml or constraints.txt changes.

PYTHON ?= $(shell for p in python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

VENV  := .venv
BIN   := $(VENV)/bin
PINS  := $(shell cat pyproject.toml constraints.txt | cksum | cut -d ' ' -f 1)

# One stamp an extra; its name holds the checksum of what was asked for. The demo needs no torch, the tests do.
DEMO  := $(VENV)/.installed-demo-$(PINS)
STAMP := $(VENV)/.installed-dev-$(PINS)

PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

.PHONY: help demo install lint types test test-slow test-all check clean

help:  ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST)

demo: $(DEMO)  ## Sandbox, data, training, backtest, comparison, report: the whole loop, offline.
	@$(BIN)/python scripts/agent_flow.py --config config/flow_demo.yaml

install: $(STAMP)  ## Make .venv with all that the tests and the demo need.

lint: $(STAMP)  ## Lint and format check.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)  ## Type check.
	@$(BIN)/mypy --num-workers 2

test: lint types  ## Lint, types and the quick tests.
	@$(PYTEST) -m "not slow"

test-slow: $(STAMP)  ## The tests that take longer than ten seconds each.
	@$(PYTEST) --no-loadscope-reorder -m "slow and not nightly" --timeout 1800

test-all: lint types  ## Every test, those marked nightly too (over an hour on two cores).
	@$(PYTEST) --no-loadscope-reorder --timeout 3600

check: test test-slow  ## Everything that CI runs.

clean:  ## Remove what was built and downloaded here, .venv and the demo's output.
	rm -rf $(VENV) demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
		echo "Agent Market needs Python 3.11 or newer, and found none as python3.11, python3 or python."; \
		echo "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Agent Market needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) --version 2>&1`."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot make a virtual environment (on Debian: apt install python3-venv)."; exit 1; }

$(VENV)/.installed-%-$(PINS): | $(BIN)/python
	@echo "Installing into $(VENV) (some minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$*]"
	@rm -f $(VENV)/.installed-$*-*
	@touch $@
