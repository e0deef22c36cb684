# The commands of this repository; `make` alone lists them.
#
#   VENV=DIR         where the virtual environment goes (default .venv)
#   PYTHON=COMMAND   the Python to make it with (default: the first of python3, python3.13, … >= 3.11)
#   DEMO=…           overrides for `make demo`, such as DEMO="seed=1"
#   ARGS=…           arguments for pytest in `make test`, such as ARGS="-k math"

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV ?= .venv
PYTHON ?=
DEMO ?=
ARGS ?=
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest

# Markers whose tests need more than `make install` sets up: one script each, which prepares that.
NEEDS := $(sort $(notdir $(wildcard tools/needs/*)))
EMPTY :=
SPACE := $(EMPTY) $(EMPTY)
WITHOUT_NEEDS := not $(subst $(SPACE), and not ,$(NEEDS))

# What an installation depends on: a stamp in the environment older than these is made again.
SETUP := pyproject.toml constraints.txt tools/editable.py tools/install.py

# Benchmarks' data, where it stands beside the checkout.
ifneq ($(wildcard ../shared/data),)
export TRUING_DATA ?= $(abspath ../shared/data)
endif

.PHONY: help install dev demo test test-all check clean distclean

help:  ## list these commands
	@echo "truing: reinforcement learning with verifiable rewards"
	@echo
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18
	@echo
	@sed -nE 's/^#   (([A-Z]+)=.*)/  \1/p' $(firstword $(MAKEFILE_LIST))

install: $(VENV)/.installed-train  ## make .venv and install truing with what training needs

dev: $(VENV)/.installed-dev

$(VENV)/.installed-train: $(SETUP)
	@python="$$(PYTHON='$(PYTHON)' tools/find-python)" && "$$python" tools/install.py '$(VENV)' train

$(VENV)/.installed-dev: $(SETUP)
	@python="$$(PYTHON='$(PYTHON)' tools/find-python)" && "$$python" tools/install.py '$(VENV)' dev

demo: install  ## train a small model from scratch: no GPU, no download of a model or data
	@$(BIN)/truing train examples/arithmetic_grpo.toml $(DEMO)

test: dev  ## every test that needs nothing more than Python
	@$(PYTEST) -m '$(WITHOUT_NEEDS)' $(if $(ARGS),$(ARGS),--require slow --durations=5)

test-all: test  ## and those that need more, each prepared by its script in tools/needs
	@tools/marked-tests $(BIN)/python $(NEEDS)

check: dev  ## ruff, mypy --strict and the fast tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(PYTEST) $(ARGS)

clean:  ## remove what tests and builds left behind; keeps .venv and runs
	@rm -rf dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean  ## and the environment
	@rm -rf '$(VENV)' .editable
