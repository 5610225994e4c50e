# Needs Python 3.11 or newer and make; everything else goes into .venv (and .venv-peers, node_modules).

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p && break; done)
BIN := .venv/bin
PEERS := .venv-peers/bin
# Python compiles what is imported; compiling all that is installed would take as long as installing it.
QUICKLY := -q --no-compile
# One BLAS thread per test worker: more of them would fight for the same cores.
PYTEST := OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -q -n auto

.DEFAULT_GOAL := help
.PHONY: help demo env dev lint test test-all test-peers test-web notebooks format clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: env  ## install, then train and evaluate a small network on handwritten digits
	$(BIN)/convolens demo

env: .venv/.installed  ## create .venv with the package in it

dev: .venv/.dev  ## add the tools for development

lint: dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint  ## lint, types, import contract, doctests and the quick tests
	$(PYTEST)

test-all: test  ## the same, the slow tests, and every notebook in small settings
	$(PYTEST) -m slow
	CONVOLENS_QUICK=1 $(PYTEST) -m "" --nbmake --nbmake-timeout=300 notebooks/*.ipynb

test-peers: .venv-peers/.installed  ## compare with real Keras, TensorFlow, PyTorch and ONNX
	$(PEERS)/python -m pytest -q tests/peers

test-web: web/node_modules/.installed .venv/.web  ## test the explainer's page: engine, committed build, and in headless Chromium
	cd web && npm run check && npm test && npm run verify
	$(BIN)/python -m pytest -q -c web/tests/e2e/pytest.ini web/tests/e2e

notebooks: dev .venv-peers/.installed  ## execute the notebooks in full settings; the one with Keras beside Keras
	$(BIN)/python notebooks/build.py convolution_step_by_step application digits_from_scratch
	$(PEERS)/python notebooks/build.py lenet5

format: dev  ## format the sources
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:  ## remove what these targets made
	rm -rf .venv .venv-peers web/node_modules build dist

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "No python3 found: install Python 3.11 or newer."; exit 2; }
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install $(QUICKLY) -e .
	touch $@

.venv/.dev: .venv/.installed
	$(BIN)/python -m pip install $(QUICKLY) -e '.[dev]'
	touch $@

.venv/.web: .venv/.dev
	$(BIN)/python -m pip install $(QUICKLY) 'playwright>=1.45'
	touch $@

# torch first and pinned: left to the resolver it may bring gigabytes of GPU libraries.
.venv-peers/.installed: requirements/peers.txt pyproject.toml
	test -x $(PEERS)/python || $(PYTHON) -m venv .venv-peers
	$(PEERS)/python -m pip install $(QUICKLY) torch==2.13.0
	$(PEERS)/python -m pip install $(QUICKLY) -r requirements/peers.txt
	touch $@

web/node_modules/.installed: web/package.json web/package-lock.json
	cd web && npm ci
	touch $@
