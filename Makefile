# `make demo` and `make test` need only Python 3.11+ and make; both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint types wheel-check clean

demo: .venv/ready
	$(BIN)/underpaint run demo --quick
	$(BIN)/underpaint show demo

test: .venv/ready lint types
	$(BIN)/pytest

lint: .venv/ready
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks

types: .venv/ready
	$(BIN)/pyright

# Takes minutes: everything that the wheel needs is installed anew.
wheel-check: .venv/ready
	.ci/wheel

.venv/ready: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv demo
