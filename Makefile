# make serve   set up and serve this repository's own content
# make test    set up and run all checks: format, lint, types, tests

PYTHON ?= python3
HOST = 127.0.0.1
PORT = 8000
WORKERS = 1
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_TEST := $(VENV)/.ready-test
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: serve test format lint types tests coverage bench bench-peers crash search-eval lock openapi clean

serve: $(READY)
	$(BIN)/cms serve --host $(HOST) --port $(PORT) --workers $(WORKERS)

test: format lint types tests

format: $(READY_TEST)
	$(BIN)/ruff format --check .

lint: $(READY_TEST)
	$(BIN)/ruff check .

types: $(READY_TEST)
	$(BIN)/mypy

tests: $(READY_TEST)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# Which lines the tests run; takes half as long again.
coverage: $(READY_TEST)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered

bench: $(READY_TEST)
	$(BIN)/python -m tests.bench $(ARGS)

# Beside other systems with the same posts; they are installed from their package registries, which takes long the first time.
bench-peers: $(READY_TEST)
	$(BIN)/python -m tests.bench.peers $(ARGS)

# Kill and cut off from power what publishes and what is pushed to: make crash ARGS="--kills 3000 --points"
crash: $(READY_TEST)
	$(BIN)/python -m tests.crash $(ARGS)

# How well searches find what readers mean, beside plain engines.
search-eval: $(READY_TEST)
	$(BIN)/python -m tests.search.evaluation

# Write the stored OpenAPI document anew, after a change that is meant.
openapi: $(READY_TEST)
	$(BIN)/python -m tests.api.openapi_snapshot

# Write the lock file anew from pyproject.toml.
lock: $(READY)
	$(PIP) install uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --extra test --output-file .requirements-test.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --constraint .requirements-test.lock --output-file .requirements.lock pyproject.toml

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Branchpress needs Python 3.11 or newer: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3 cannot make a virtual environment; on Debian: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }

$(READY): $(BIN)/python .requirements.lock pyproject.toml
	@echo "Setting up in $(VENV) ..."
	@$(PIP) install --require-hashes --requirement .requirements.lock
	@$(PIP) install --no-deps --editable .
	@touch $@

$(READY_TEST): $(READY) .requirements-test.lock
	@$(PIP) install --require-hashes --requirement .requirements-test.lock
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
