# Two commands do everything on a fresh machine: make reproduce (the main job) and make test.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: setup reproduce test

setup: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

reproduce: setup
	$(BIN)/snakemake --cores all
	@PYTHONPATH=src $(BIN)/python -m closedbook table

test: setup
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal --durations 15
