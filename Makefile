PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo browser docs notebooks test test-slow check release bench-gpu clean

# Set-up is part of every target: a fresh machine needs nothing but Python 3.11 and make.
$(BIN)/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all,dev,slurm]'
	touch $@

demo: $(BIN)/.ready  ## the demo study: 6 minutes on two cores with AMX, some 16 without
	$(BIN)/ablate plan study=demo
	$(BIN)/ablate sweep study=demo

browser: $(BIN)/.ready  ## Playwright, for the tests of the page; chromium itself comes from the system
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[browser]'

notebooks: $(BIN)/.ready  ## executes notebooks/*.py to the .ipynb beside them; a minute, no network, nothing is trained
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[notebooks]'
	$(BIN)/python notebooks/make.py

docs: $(BIN)/.ready  ## docs/ as a site, with a reference made from the code: build/site/html/index.html; warnings are errors
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/python docs/site/make.py

check: $(BIN)/.ready  ## style, imports and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

test: check  ## checks and the fast tests; commands that they start find the package compiled
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 2 --dist loadfile

test-slow: $(BIN)/.ready  ## the slow tests: calibration, kill -9, several processes
	$(BIN)/pytest -m slow

release: $(BIN)/.ready  ## wheel and sdist, held to the repository and tried in a fresh environment; build/release/dist
	$(BIN)/python .ci/release.py

bench-gpu: $(BIN)/.ready  ## training and evaluation on this GPU against their peers; ten minutes. Without one, its smallest form
	$(BIN)/python results/benchmarks/gpu.py --out gpu_bench

clean:
	rm -rf $(VENV) store studies
