# `make run` and `make test` need nothing but Python 3.11+ and make: each sets up what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
INI ?= development.ini
WORKERS ?= 3
DATABASES ?= one
PYTHONS ?= 3.11 3.12 3.13

# the suite starts a hundred processes: each would compile every module anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run test lint types bench growth tryout model drills screenshots docs reference sure matrix migrate lock dist dist-check clean

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make .venv and install everything

$(STAMP): requirements.lock setup.cfg
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "donkies needs Python 3.11 or newer; say which: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV) (once, about half a minute)"
	@[ -e $@ ] || rm -rf $(VENV)  # another interpreter's, or half-made
	@[ -d $(VENV) ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(STAMP) ## Start everything: service, worker, sandbox bank, demo
	@$(BIN)/donkies -c $(INI) migrate
	@exec env PYTHONWARNINGS="ignore:pkg_resources is deprecated as an API:UserWarning" $(BIN)/pserve $(INI)

test: $(STAMP) ## Run all tests; with DATABASES=both the functional ones on SQLite and PostgreSQL each
	@DONKIES_TEST_DATABASES=$(DATABASES) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: $(STAMP) ## Style, and which way imports point
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(STAMP) ## Types of the domain and its ports
	@$(BIN)/mypy

bench: $(STAMP) ## Speed, beside the floors and the peers
	@PREPARE=$(PREPARE) PEERS=$(PEERS) $(BIN)/python -m bench

growth: $(STAMP) ## How time and memory grow with rows, up to 10,000,000 (a quarter of an hour, 20 GB)
	@$(BIN)/python -m bench.growth $(ARGS)

screenshots: $(STAMP) ## Photograph every hosted page and the demo for the docs
	@mkdir -p docs/images/pages docs/images/demo
	@DONKIES_SCREENSHOTS=docs/images/pages DONKIES_REQUIRE=browser $(BIN)/python -m pytest -n 0 tests/browser/test_pages.py tests/browser/test_modal.py tests/browser/test_modal_paths.py tests/browser/test_demo.py

docs: $(STAMP) ## Build the documentation's site into var/docs/html; a warning is an error
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env -d var/docs/doctrees docs var/docs/html
	@echo "var/docs/html/index.html"

reference: $(STAMP) ## Write the reference pages that are made of the code
	@$(BIN)/python -W ignore -m docs.tools.reference

migrate: $(STAMP) ## Bring the database of INI up to date
	@$(BIN)/donkies -c $(INI) migrate

tryout: $(STAMP) ## Try the API by its OpenAPI document for some minutes
	@DONKIES_SCHEMATHESIS_EXAMPLES=$(or $(EXAMPLES),100) $(BIN)/python -m pytest -n 0 tests/openapi/test_schemathesis.py

model: $(STAMP) ## Walk at random beside a plain model, STEPS long
	@DONKIES_MODEL_STEPS=$(or $(STEPS),10000) $(BIN)/python -m pytest -n 0 tests/model $(ARGS)

drills: $(STAMP) ## Kill, stop and starve real processes, and time the recovery
	@DONKIES_DRILLS_TABLE=docs/explanation/reliability.md $(BIN)/python -m pytest -n 0 -m "" tests/drills tests/functional/test_many_at_once.py \
	  tests/functional/test_production_processes.py tests/functional/test_downloading.py $(ARGS)

sure: ## Everything that CI runs
	@$(MAKE) lint types test DATABASES=both

matrix: ## Run the fast part of the tests with each Python of PYTHONS that is there
	@for version in $(PYTHONS); do \
	  python=$$(command -v python$$version) && $$python -c "" 2>/dev/null \
	    || python=$$(ls -d $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$version.*/bin/python 2>/dev/null | tail -1); \
	  [ -n "$$python" ] || { echo "Python $$version: not there, left out"; continue; }; \
	  echo "Python $$version: $$python"; \
	  $(MAKE) --no-print-directory setup VENV=var/matrix/$$version PYTHON=$$python && \
	    var/matrix/$$version/bin/python -m pytest -n $(WORKERS) --dist worksteal tests/unit tests/contract $(ARGS) || exit 1; \
	done

lock: ## Write requirements.lock anew from setup.cfg
	@rm -rf var/lock && $(PYTHON) -m venv var/lock && var/lock/bin/pip install --quiet '.[dev,docs,production]'
	@{ echo "# Every package that donkies runs and is tested with; made by 'make lock' from setup.cfg."; var/lock/bin/pip freeze --all --exclude donkies --exclude pip --exclude legacy-cgi; echo 'legacy-cgi==2.6.4; python_version >= "3.13"'; } > requirements.lock

dist: $(STAMP) ## Build wheel and sdist into dist
	@rm -rf build dist && $(BIN)/python -m build --no-isolation >.dist.log 2>&1 || { cat .dist.log; exit 1; }
	@rm -rf build .dist.log && ls dist

dist-check: dist ## Install the wheel into an empty environment, with all it asks for
	@rm -rf var/dist && $(PYTHON) -m venv var/dist && var/dist/bin/pip install --quiet --disable-pip-version-check dist/*.whl
	@cd var/dist && bin/donkies --help >/dev/null && bin/donkies ini production >production.ini && bin/pip check && echo "The wheel is good."

clean: ## Forget .venv and var
	@rm -rf $(VENV) var
