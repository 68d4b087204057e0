# `make demo` runs the default workflow, `make test` every check, `make audit` the one of them that
# asks the network about known vulnerabilities. All make their own .venv, once, with the first
# Python >= 3.11 that is found.

PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
BIN := .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test audit
.DELETE_ON_ERROR:

demo: $(if $(wildcard .venv/.installed-dev),.venv/.installed-dev,.venv/.installed)
	$(BIN)/snakemake --cores all
	$(BIN)/snakemake --report results/demo/provenance.html
	@echo "Done. Open results/demo/report.html (the results) or results/demo/provenance.html (the"
	@echo "same, with how each file was made); tables and figures are in results/demo."

test: .venv/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check workflow rules
	$(BIN)/snakemake --lint
	$(BIN)/mypy
	$(BIN)/python tests/audit.py
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

audit: .venv/.installed-dev
	$(BIN)/python tests/audit.py

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e .
	@touch $@

.venv/.installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e '.[dev]'
	@touch $@

.venv/bin/python:
	@for python in $(PYTHONS); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making .venv with $$python; installing takes a minute or two."; \
	    "$$python" -m venv .venv && exit 0; \
	    rm -rf .venv; \
	    echo "$$python cannot make a virtual environment (on Debian: apt install python3-venv)." >&2; \
	  fi; \
	done; \
	echo "Python 3.11 or later with venv is needed, and none was found." >&2; exit 1
