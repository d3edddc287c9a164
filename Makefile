# `make demo` shows what FullRank is for, `make test` proves it. Both make the environment if need be.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tensors are small: more threads only wait for each other. Two processes, and each file of tests in one of them.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -q --numprocesses 2 --dist loadfile

.PHONY: demo test test-all lint docs site debian clean

demo: $(VENV)/.package
	$(BIN)/fullrank demo

test: lint debian
	$(PYTEST) -m "not slow"

test-all: lint debian
	$(PYTEST)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.test
	$(BIN)/python -m docs.build.losses > docs/losses.md.new
	mv docs/losses.md.new docs/losses.md
	$(BIN)/python -m docs.build.fashion_mnist > docs/results/fashion-mnist/README.md.new
	mv docs/results/fashion-mnist/README.md.new docs/results/fashion-mnist/README.md
	$(BIN)/python -m docs.build.confusion
	$(BIN)/python -m docs.build.faults
	$(BIN)/python -m docs.build.pretrained
	$(BIN)/python -m docs.build.scale
	$(BIN)/python -m docs.build.color
	$(BIN)/python -m docs.build.papers
	$(BIN)/python -m docs.build.bench

site: $(VENV)/.test
	$(BIN)/python -m docs.build.site

# A few tests read a data set and drive a browser of Debian's; without them they are skipped, and in CI they fail.
debian:
	@missing=; \
	[ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ] || missing="$$missing dataset-fashion-mnist"; \
	command -v chromium > /dev/null || missing="$$missing chromium"; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && apt-get update -q && \
		apt-get install -y -q --no-install-recommends $$missing; then exit 0; fi; \
	echo "The tests that need$$missing are left out: run 'sudo apt-get install$$missing' to have them run."

$(VENV)/.made:
	@command -v $(PYTHON) > /dev/null || \
		{ echo "$(PYTHON) is missing: run 'sudo apt-get install python3 python3-venv' first."; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "FullRank needs Python 3.11 or newer: call make with PYTHON=/path/to/python3.11."; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || \
		{ echo "Python's venv is missing: run 'sudo apt-get install python3-venv' first."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.package: pyproject.toml | $(VENV)/.made
	$(BIN)/python -m pip install --quiet --retries 5 --timeout 60 --editable .
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/.made
	$(BIN)/python -m pip install --quiet --retries 5 --timeout 60 --editable '.[test]'
	touch $(VENV)/.package $@

clean:
	rm -rf $(VENV)
