# `make` lists the targets. Everything is installed into .venv and written into git-ignored folders, unless a line
# below says otherwise.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.installed
# test files are dealt out to a process for each core; tests use one thread
WORKERS := -n logical --maxprocesses 4 --dist loadfile
# Debian and Ubuntu packages with full Hangul
FONT_PACKAGES := fonts-nanum fonts-nanum-extra fonts-baekmuk fonts-unfonts-core fonts-unfonts-extra \
	fonts-alee fonts-woowa-bm fonts-lexi-gulim fonts-lexi-saebom fonts-noto-cjk

.PHONY: help setup fonts reproduce test lint tables figures notebooks publish bench faults lab wheel-check clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /    \1\t/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(READY) ## create .venv with the locked packages (constraints.txt)

$(READY): pyproject.toml constraints.txt
	@sh scripts/prerequisites.sh "$(PYTHON)"
	"$(PYTHON)" -m venv $(VENV)
	$(PY) -m pip install -c constraints.txt -e ".[notebooks,export,test]"
	@touch $@

fonts: ## install the Debian font packages where apt-get may be used; otherwise say which faces are used
	@sh scripts/fonts.sh $(FONT_PACKAGES)

reproduce: setup fonts ## run notebooks 00-03 and print Table 3 beside the paper's (ALL=1: all notebooks, all tables)
	$(PY) -m siamese_lib reproduce $(if $(ALL),--all)

test: setup fonts ## run the tests, then every notebook in profile smoke
	$(PY) -m pytest $(WORKERS) tests
	runs=$$(mktemp -d) && trap 'rm -rf "$$runs"' EXIT && SIAMESE_RUNS="$$runs" SIAMESE_PROFILE=smoke \
		$(PY) -m pytest $(WORKERS) --nbval-lax --nbval-current-env --nbval-cell-timeout=600 notebooks

lint: setup ## check style and formatting
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

tables: setup ## rebuild the tables of results/ and of both READMEs from the published records
	$(PY) -m siamese_lib tables

figures: setup ## redraw results/figures/ from the published records
	$(PY) -m siamese_lib figures

notebooks: setup fonts ## run all notebooks and write their outputs into notebooks/
	$(PY) -m siamese_lib reproduce --refresh

publish: setup ## copy the record of a working run into results/: make publish RUN=<run id>
	@[ -n "$(RUN)" ] || { echo "error: name the run: make publish RUN=<run id> (the ids are the names in runs/)" >&2; exit 2; }
	$(PY) -m siamese_lib publish $(RUN)

bench: setup fonts ## run all benchmarks (hours on 2 cores, on a quiet machine; finished runs are kept in runs/benchmarks/)
	$(PY) -m pip install -c constraints.txt -e ".[bench]"
	for name in step scale memory evaluation mining shared notebooks rates "rates omniglot" "rates full" "rates best" "rates drawers" plans time_to_accuracy long_run drawers limits unseen latency search safety bits "comparison rates" comparison; do $(PY) -m benchmarks.$$name || exit 1; done

faults: setup fonts ## inject all faults: 50 kills, a million damaged files (an hour or two; `make test` has a few)
	SIAMESE_FAULTS=all $(PY) -m pytest $(WORKERS) tests/test_faults.py tests/faults

lab: setup fonts ## open JupyterLab in notebooks/
	$(PY) -m jupyter lab notebooks

wheel-check: setup ## build the wheel and import it elsewhere, with numpy and torch alone
	rm -rf build dist
	$(PY) -m build --wheel
	"$(PYTHON)" -m venv build/venv
	build/venv/bin/python -m pip install -q -c constraints.txt numpy torch
	build/venv/bin/python -m pip install -q --no-deps dist/*.whl
	cd / && "$(CURDIR)/build/venv/bin/python" -I -c "import siamese_lib, torch; \
		assert 'site-packages' in siamese_lib.__file__, siamese_lib.__file__; \
		assert siamese_lib.EmbeddingNet()(torch.zeros(2, 1, 37, 37)).shape == (2, 25)"
	rm -rf build
	@echo "The wheel imports with numpy and torch alone."

clean: ## remove build outputs and caches; .venv, runs/ and data/ stay
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache
	find siamese_lib tests notebooks benchmarks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} + 2>/dev/null || true
