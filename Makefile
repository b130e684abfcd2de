# Two commands do everything on a fresh machine: `make demo` and `make test`.
#
#   PYTHON     the interpreter to make environments with (3.11 or newer)
#   TORCH      the PyTorch to install; for the CPU build from PyTorch's own index:
#              make setup TORCH='torch==2.13.0+cpu' PIP_FLAGS='--extra-index-url URL'
#   PIP_FLAGS  passed to every pip install
PYTHON ?= python3
TORCH ?= torch==2.13.0
PIP_FLAGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet $(PIP_FLAGS) -c constraints.txt

.PHONY: help demo test slow test-cluster test-cluster-long weights setup check lint types floors docs gallery coverage wheel dist clean

help:
	@echo "make demo    set up, render the synthetic world, build a dataset of it, write its report"
	@echo "make test    set up with everything, run the tests"
	@echo "make slow    the tests that take long"
	@echo "make test-cluster  the tests that start a small cluster, or servers beside it (-long: all)"
	@echo "make weights set up packages that ship real weights, run the tests that need them"
	@echo "make check   lint, types, import floors"
	@echo "make docs    the site of the manual, into site/"
	@echo "make setup   .venv with all extras and the developers' tools"
	@echo "make clean   remove what these commands made"

demo: $(VENV)/core
	$(BIN)/internvid demo demo

test: $(VENV)/full
	$(BIN)/python -m pytest -n auto -m 'not slow and not weights and not cluster'

slow: $(VENV)/full
	$(BIN)/python -m pytest -n auto -m 'slow and not weights and not cluster'

# One after another: each starts processes of its own, and kills some.
test-cluster: $(VENV)/full
	$(BIN)/python -m pytest -m 'cluster and not slow and not weights' -n 0

test-cluster-long: $(VENV)/full
	$(BIN)/python -m pytest -m 'cluster and not weights' -n 0

weights: $(VENV)/weights
	$(BIN)/python -m pytest -m weights -n 0

setup: $(VENV)/full

check: $(VENV)/full lint floors types

lint: $(VENV)/full
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

floors: $(VENV)/full
	$(BIN)/lint-imports

types: $(VENV)/full
	$(BIN)/mypy

# From nothing each time: a page that is not read again would not warn again.
docs: $(VENV)/docs
	$(BIN)/python -m sphinx -q -E -W --keep-going -b html -d build/doctrees docs site
	@echo "open site/index.html"

# Needs Chromium on the machine.
gallery: $(VENV)/full
	$(BIN)/python docs/gallery/shoot.py

wheel: $(VENV)/full
	$(BIN)/python -m build --wheel --outdir dist .

# The source distribution too; needs none of the project's own dependencies.
dist: $(VENV)/made
	$(PIP) build
	$(BIN)/python -m build --outdir dist .

coverage: $(VENV)/coverage
	@mkdir -p build/coverage
	$(BIN)/python -m pytest -n auto --durations=50 --cov=internvid --cov-report=term:skip-covered \
	  --cov-report=xml:build/coverage/coverage.xml --junit-xml=build/coverage/tests.xml

$(VENV)/made:
	@command -v $(PYTHON) >/dev/null || { echo "error: no $(PYTHON); install Python 3.11 or newer, or set PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is too old; Python 3.11 or newer is needed (PYTHON=python3.12, say)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/core: $(VENV)/made pyproject.toml constraints.txt
	$(PIP) -e .
	@touch $@

# open_clip_torch comes for CLIP's table of merges, which tests read out of it; its dependencies
# stay away because they pull a CUDA torchvision that breaks transformers.
$(VENV)/full: $(VENV)/core
	$(PIP) --upgrade 'pip>=25.1'
	$(PIP) '$(TORCH)'
	$(PIP) -e '.[all]' --group dev
	$(PIP) --no-deps open_clip_torch
	@touch $@

$(VENV)/docs: $(VENV)/full
	$(PIP) --group docs
	@touch $@

$(VENV)/weights: $(VENV)/full
	$(PIP) --no-deps --group weights
	@touch $@

$(VENV)/coverage: $(VENV)/full
	$(PIP) --group coverage
	@touch $@

clean:
	rm -rf $(VENV) dist build demo site .mypy_cache .ruff_cache .import_linter_cache
