# make demo: the first case study, from nothing. make test: everything that must pass. Both install what constraints.txt pins.
VENV ?= .venv
PYTHON3 ?= python3
PYTHON := $(VENV)/bin/python
export OMP_NUM_THREADS ?= 1
# Tests start many processes, each of which would else compile every file anew where the environment forbids to keep that.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-all lint bench site lock clean system-deps

demo: $(VENV)/.installed
	$(PYTHON) -m expzoo +experiment=lottery_ticket

test: lint
	$(PYTHON) -m pytest -n 2 --dist loadfile --durations=20 -m "not slow and not gpu"

test-all: lint
	$(PYTHON) -m pytest -n 2 --dist loadfile --durations=20 -m "not gpu"

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyrefly check

# Without OPENBLAS_CORETYPE, which forces other matrix kernels than the machine's own.
bench: $(VENV)/.installed-dev
	set -e; unset OPENBLAS_CORETYPE; for file in benchmarks/[!_]*.py; do echo "== $$file"; $(PYTHON) $$file; done

# The documentation, with the gallery if there is one: open outputs/site/index.html.
site: $(VENV)/.installed
	$(PYTHON) -m pip install --quiet --constraint constraints.txt --editable '.[site]'
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --quiet --strict --config-file site/mkdocs.yml

$(VENV)/.installed: constraints.txt pyproject.toml
	test -x $(PYTHON) || $(PYTHON3) -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: constraints.txt pyproject.toml
	test -x $(PYTHON) || $(PYTHON3) -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(VENV)/.installed $@

# The build of torch is left to the index, so its local version does not belong in the file.
lock: $(VENV)/.installed-dev
	$(PYTHON) -m pip install --quiet pip-tools
	echo "# Every package of a full installation with the extra dev, with its hashes, for Linux on a CPU. Made by: make lock" > requirements.lock
	$(VENV)/bin/pip-compile --quiet --generate-hashes --extra dev --constraint constraints.txt --strip-extras --allow-unsafe \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
		--output-file - pyproject.toml | sed -e 's/^torch==\([0-9.]*\)+cpu/torch==\1/' -e '/^#/d' -e '/^$$/d' >> requirements.lock

# What the tests of clusters need beside Python: a SLURM, which they start and stop themselves.
system-deps:
	apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends slurm-wlm munge

clean:
	rm -rf dist .pytest_cache .ruff_cache .hypothesis
