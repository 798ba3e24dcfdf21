# Every target sets up .venv by itself; a second call finds it ready and starts at once.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
WORLD ?= shapes3d
RECIPE ?= lesson
SEED ?= 0
SET ?=
KILLS ?= 200
EXAMPLES ?= 100000

PY := $(VENV)/bin/python
STAMP := $(VENV)/.ready

# An environment knows the folder it was made in: after a move or a copy it is made again.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
STAMP_AGAIN := again
endif

.PHONY: help setup reproduce test lint lab lessons setup-book book figures bench torture test-gpu clean again

help:  ## list the targets
	@echo "usage: make TARGET  (each target does its own set-up)"; echo
	@grep -E '^[a-z][a-z-]*:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## */\1\t/' \
	  | while IFS=$$'\t' read -r name text; do printf '  %-10s %s\n' "$$name" "$$text"; done
	@echo; echo "Python: PYTHON=$(PYTHON) (3.11 or newer), environment: VENV=$(VENV)"

setup: $(STAMP)  ## make the environment from requirements.lock (again after it or pyproject.toml changed)
	@echo "$(VENV) is ready"

$(STAMP): requirements.lock pyproject.toml $(STAMP_AGAIN)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "make: error: Python 3.11 or newer is needed, found: $$($(PYTHON) --version 2>&1); give PYTHON=..." >&2; exit 1; }
	@echo "setting up $(VENV) (once; a few minutes)"
	@if [ -f $(STAMP) ] && [ "$$(cat $(STAMP))" != '$(CURDIR)' ]; then rm -rf $(VENV); fi
	@rm -f $(STAMP)
	@$(PY) -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV); \
	  $(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
	  || { $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(PY) install --quiet pip; } \
	  || { echo "make: error: no environment could be made; on Debian: apt install python3-venv python3-pip" >&2; exit 1; }; }
	@$(PY) -m pip install -qq --disable-pip-version-check -r requirements.lock
	@$(PY) -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@printf '%s' '$(CURDIR)' > $(STAMP)

reproduce: $(STAMP)  ## train, evaluate, draw: WORLD=shapes3d RECIPE=lesson SEED=0 [SET="name=value ..."] -> runs/
	@$(PY) -m cvq_tutorial reproduce $(WORLD) --recipe $(RECIPE) --seed $(SEED) $(foreach s,$(SET),--set '$(s)')

test: lint  ## lint, then unit tests, notebook gates and nbval
	@OMP_NUM_THREADS=1 $(PY) -m pytest -q -n 2

lint: $(STAMP)  ## ruff (check and format, notebooks too), mypy, and the floors of the package
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports --no-logo --no-cache

lab: $(STAMP)  ## open JupyterLab on a working copy of the lessons (WITH=outputs: as they are in the repository)
	@$(PY) tools/open_lab.py $(if $(WITH),--$(WITH))

lessons: $(STAMP)  ## rebuild the notebooks from notebooks/src (executes them; NAMES="91 ..." for some)
	@$(PY) tools/build_notebooks.py $(NAMES)

setup-book: $(VENV)/.book  ## what `make book` needs on top (Sphinx, a theme), from requirements-book.lock

book: $(VENV)/.book  ## the static site of all lessons, tables and public names -> build/book/index.html
	@$(PY) tools/build_book.py

$(VENV)/.book: $(STAMP) requirements-book.lock
	@$(PY) -m pip install -qq --disable-pip-version-check -r requirements-book.lock
	@touch $@

figures: reproduce  ## regenerate the pictures in figures/ from the run of `make reproduce`
	@$(PY) tools/build_figures.py runs/$(WORLD)-$(RECIPE)-s$(SEED)

bench: $(STAMP)  ## time a training step and a retrieval -> figures/bench.json
	@$(PY) -m cvq_tutorial bench --out figures/bench.json

torture: $(STAMP)  ## kill what works 200 times, take its disk away, 100,000 inputs (hours; KILLS=12 EXAMPLES=2000)
	@$(PY) tools/torture.py --kills $(KILLS) --examples $(EXAMPLES)

test-gpu: $(if $(filter command line,$(origin PY)),,$(STAMP))  ## 8 minutes on a card -> figures/gpu.json (PY=python: no set-up)
	@$(PY) tools/test_gpu.py

clean:  ## remove .venv and caches (runs/ and figures/ stay)
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
