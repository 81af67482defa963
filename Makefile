# make install | demo | test | check | format

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
STAMP := .venv/.installed
CONSTRAINTS := finetune_lab/assets/constraints.txt

.PHONY: install demo test check format

install: $(STAMP)

# the stamp is younger than what it was made from, so a second `make install` does nothing
$(STAMP): pyproject.toml $(CONSTRAINTS)
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[dev]" -c $(CONSTRAINTS)
	touch $@

demo: install
	$(PY) -m finetune_lab experiment=demo
	$(PY) -m finetune_lab experiment=demo method=grit
	$(PY) -m finetune_lab task=compare group=demo

# a process for each of two cores; more threads in each would only wait for one another
test: install
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist loadfile

check: install
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

format: install
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .
