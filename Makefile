# The one entry to everything. `make help` lists the targets from the comments after `##`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
SYSTEM_PYTHON := $(shell for name in python3.11 python3.12 python3.13 python3; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$name"; break; }; done)

# A stamp per content of what is installed: a change there installs again, nothing else does.
STAMP := $(VENV)/stamp-$(shell cat requirements/dev.txt pyproject.toml | cksum | cut -d ' ' -f 1)

.PHONY: help setup demo test lint bench bench-crash bench-forge bench-load bench-races bench-verdict bench-webhooks components clean lock docs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) ## create .venv from the pinned requirements (the others do this themselves)

$(STAMP):
	@test -n "$(SYSTEM_PYTHON)" || { echo "gitslo needs Python 3.11 or later: install python3.11, or put a newer python3 on the PATH" >&2; exit 1; }
	@"$(SYSTEM_PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { echo "$(SYSTEM_PYTHON) has no venv module: install its venv package, e.g. apt-get install python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV) with $$("$(SYSTEM_PYTHON)" --version)" >&2
	@test -x $(BIN)/python || "$(SYSTEM_PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@rm -f $(VENV)/stamp-*
	@touch $@

demo: $(STAMP) ## the whole story on this machine, in about a minute
	@$(BIN)/gitslo demo

test: $(STAMP) components ## every test, with the coverage in the summary
	@$(BIN)/pytest --quiet --numprocesses auto --dist loadfile --cov --cov-report=term

lint: $(STAMP) ## format, lint, types, layers, links and paths in files
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m tests.project.files

bench: $(STAMP) ## figures of cost, beside the same work done by bare tools
	@for file in $(filter-out bench/crash.py bench/forge.py bench/races.py bench/webhooks.py,$(wildcard bench/*.py)); do echo "== $$file"; $(BIN)/python "$$file"; done

bench-crash: $(STAMP) components ## kills, pauses and races, and what came of them; GITSLO_CRASH_RUNS=N for more
	@$(BIN)/python bench/crash.py

bench-forge: $(STAMP) components ## from the verdict to the open pull request on a real forge, beside a bare push and a bare call
	@$(BIN)/python bench/forge.py

bench-load: $(STAMP) ## gitslo load beside other load tools and beside the truth; writes docs/explanation/load-figures.md
	@$(BIN)/python tests/components.py test bench
	@$(BIN)/python -m bench.load

bench-races: $(STAMP) ## people who push to the branch all the while that gitslo does
	@$(BIN)/python bench/races.py

bench-verdict: $(STAMP) ## how often verdicts are wrong, beside other rules; writes docs/explanation/verdict-figures.md
	@$(BIN)/python -m bench.verdict

bench-webhooks: $(STAMP) ## a storm of webhooks at a real daemon: answers, polls, memory
	@$(BIN)/python bench/webhooks.py

components: $(STAMP) ## the real servers that tests use: say what is missing, or how to get it
	@$(BIN)/python tests/components.py

docs: $(STAMP) ## write the generated pages under docs/reference again
	@$(BIN)/python -m tests.project.reference

clean: ## remove what building and testing left in the checkout (.venv too)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock: ## pin the requirements again, with hashes, for every supported Python
	@test -n "$(SYSTEM_PYTHON)" || { echo "gitslo needs Python 3.11 or later" >&2; exit 1; }
	@tools="$$(mktemp -d)"; trap 'rm -rf "$$tools"' EXIT; \
	"$(SYSTEM_PYTHON)" -m venv "$$tools"; \
	"$$tools/bin/pip" install --quiet --disable-pip-version-check uv; \
	options=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock"); \
	"$$tools/bin/uv" pip compile "$${options[@]}" --output-file requirements/runtime.txt pyproject.toml; \
	"$$tools/bin/uv" pip compile "$${options[@]}" --output-file requirements/dev.txt --group dev pyproject.toml
