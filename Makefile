# `make demo` and `make test` need only Python 3.11+ and make; both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo results test test-slow lint docs types wheel-check clean

# So many pictures take two cores five minutes at most; COUNT=617 is the literature's number.
COUNT ?= 130
demo: .venv/ready
	$(BIN)/underpaint run demo --count $(COUNT) --quick --properties saliency,depth,shading,normals,albedo --classes
	$(BIN)/underpaint edit demo --limit 8 --count 1 --frames 2 --control none --control random
	$(BIN)/underpaint show demo

# The full study of `tiny`, edits and erasures, and the pages that say what they show. The same command
# goes on where it was stopped; HOW says on the page what the times depend on.
results: .venv/ready
	$(BIN)/python -m benchmarks.remaking results --how "$(HOW)"

# A process a core, each of one thread; a file stays in one process, for its fixtures.
test: .venv/ready lint types docs
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile

# What takes minutes: whole models of full size, a cluster of processes, a notebook.
test-slow: .venv/ready
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/pytest -m slow -n 1 --dist loadfile

lint: .venv/ready
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks

docs: .venv/ready
	$(BIN)/zensical build --strict --clean

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
