# `make demo` shows what FullRank is for, `make test` proves it. Both make the environment if need be.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test docs environment clean

demo: environment
	$(BIN)/fullrank demo

# Tensors are small: more threads only wait for each other, on a busy machine for long.
test: environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest

docs: environment
	$(BIN)/python -m tests.losses.table > docs/losses.md.new
	mv docs/losses.md.new docs/losses.md
	$(BIN)/python -m tests.recipes.table > docs/results/fashion-mnist/README.md.new
	mv docs/results/fashion-mnist/README.md.new docs/results/fashion-mnist/README.md
	$(BIN)/python -m tests.diagnosis.confusion

environment: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "FullRank needs Python 3.11 or newer: call make with PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --retries 5 --timeout 60 --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV)
