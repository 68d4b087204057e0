# `make demo` runs the default workflow, `make test` every check, `make audit` only the check for
# known vulnerabilities, which needs a network. `make docs` builds the documentation, and `make
# wheelhouse` collects what an installation without a network needs (docs/offline.md). Each makes
# .venv once, with the first Python >= 3.11 that it finds, and installs from wheelhouse/ if that
# folder is there. `make bench` compares speed with other programs (docs/benchmarks.md; BENCH=quick
# takes a few minutes). `make checksums` writes the hashes of two runs (docs/reproducibility.md).

PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
BIN := .venv/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check
INSTALL = $(PIP) install --quiet -c constraints.txt \
	$(if $(wildcard wheelhouse/*.whl),--no-index --find-links wheelhouse)
# What the wheelhouse is for: `make wheelhouse EXTRAS='[dev]'` adds the tools of `make test`.
EXTRAS =
BENCH = full

.PHONY: demo test style types audit docs wheelhouse bench checksums
.DELETE_ON_ERROR:

demo: $(if $(wildcard .venv/.installed-dev),.venv/.installed-dev,.venv/.installed)
	$(BIN)/snakemake --cores all all performance \
		--report results/demo/provenance.html --report-after-run
	@echo "Done. Open results/demo/report.html (the results), results/demo/provenance.html (the same,"
	@echo "with how each file was made) or results/demo/performance.html (time, memory and disk);"
	@echo "tables and figures are in results/demo."

# Three workers keep two cores busy: some tests wait.
test: .venv/.installed-dev
	@$(MAKE) --jobs=2 --no-print-directory types style audit
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

style: .venv/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check workflow rules
	$(BIN)/snakemake --lint

types: .venv/.installed-dev
	$(BIN)/mypy

audit: .venv/.installed-dev
	$(BIN)/python tests/audit.py

docs: .venv/.installed-dev
	$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going \
		docs docs/_build/html
	@echo "Done. Open docs/_build/html/index.html."

bench: .venv/.installed-bench
	$(BIN)/python benchmarks/report.py --size $(BENCH)

checksums: $(if $(wildcard .venv/.installed-dev),.venv/.installed-dev,.venv/.installed)
	$(BIN)/snakemake --cores all checksums
	$(BIN)/snakemake --cores all checksums --configfile config/test.yaml
	for run in demo test; do \
	  mkdir -p docs/checksums/$$run && \
	  cp results/$$run/checksums.csv results/$$run/tables/table[12].csv docs/checksums/$$run/ || exit 1; \
	done
	chmod 644 docs/checksums/*/*.csv

# Wheels of every package of constraints.txt that is needed, built where there is only a source,
# and what builds this package itself.
wheelhouse: .venv/bin/python
	$(PIP) wheel --wheel-dir wheelhouse -c constraints.txt '.$(EXTRAS)' 'setuptools>=77'
	rm -f wheelhouse/behrt_workflow-*.whl
	@echo "Copy this folder, wheelhouse/ included, to the other machine and run make demo there."

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e .
	@touch $@

.venv/.installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e '.[dev]'
	@touch $@

.venv/.installed-bench: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e '.[bench]'
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
