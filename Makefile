# What a person and CI run. `make` alone lists it. Needs Python 3.11 to 3.13 and make; PYTHON= names another Python.
# PORT= and ASSAY_HOME= reach `make run` as they are given, here or in the environment.
.DEFAULT_GOAL := help
.PHONY: help run demo-reset test test-fast guards check bench eval gallery screenshots lock

PY := .venv/bin/python
SOURCES := app.py core pages data tests .ci/checks
# A server for each core; what needs no browser and what does come one after the other.
ON_ALL_CORES := -n auto --maxprocesses 4 --dist loadfile
# Tests that PYTEST_ARGS names may all be of one kind; of the whole suite neither kind may be missing.
OF_ONE_KIND = $(if $(PYTEST_ARGS),|| [ $$? -eq 5 ])

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: ## start the workbench on http://127.0.0.1:8501 (PORT=, ASSAY_HOME=)
	@sh .ci/environment requirements.lock
	@exec $(PY) -m core serve

demo-reset: ## make the demo as new; what there was is kept under other names
	@sh .ci/environment requirements.lock
	@$(PY) -m core demo --reset

test: ## run every test, a real Postgres and a real browser included (PYTEST_ARGS=)
	@sh .ci/environment requirements-dev.lock
	@$(PY) -m pytest $(ON_ALL_CORES) -m "not browser" $(PYTEST_ARGS) $(OF_ONE_KIND)
	@$(PY) -m pytest $(ON_ALL_CORES) -m browser $(PYTEST_ARGS) $(OF_ONE_KIND)

test-fast: ## run the tests that take no seconds and no browser
	@sh .ci/environment requirements-dev.lock
	@$(PY) -m pytest $(ON_ALL_CORES) -m "not slow and not browser" $(PYTEST_ARGS)

guards: ## take out every guard of metering, one by one: a test has to notice each (GUARDS= words of their names)
	@sh .ci/environment requirements-dev.lock
	@$(PY) -m tests.guards $(GUARDS)

check: ## format, lint, types, direction of imports, rules of the house, prices against two other tables
	@sh .ci/environment requirements-dev.lock
	@$(PY) -m ruff format --quiet --check --output-format concise $(SOURCES) || { echo "Not formatted: $(PY) -m ruff format"; exit 1; }
	@$(PY) -m ruff check --quiet $(SOURCES)
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-logo
	@for check in size_budget house_rules requirements_used price_tables; do $(PY) .ci/checks/$$check.py || exit 1; done
	@echo "All checks passed"

bench: ## run the benchmarks: one table, and bench/latest.json
	@sh .ci/environment requirements-dev.lock
	@$(PY) -m tests.bench

eval: ## ask the questions of the evaluation set: one table, and bench/eval.json (EVAL_ARGS=, as in --model ID)
	@sh .ci/environment requirements-dev.lock
	@$(PY) -m tests.eval --half both $(EVAL_ARGS)

gallery: ## show every component of the pages on http://127.0.0.1:8502 (GALLERY_PORT=); needs no database
	@sh .ci/environment requirements-dev.lock
	@$(PY) -m streamlit run tests/gallery/app.py --server.port $${GALLERY_PORT:-8502}

screenshots: ## take pictures of the pages in both themes, into tests/artefacts
	@sh .ci/environment requirements-dev.lock
	@REQUIRE_BROWSER=1 $(PY) -m pytest -q tests/browser $(PYTEST_ARGS)

lock: ## remake both locks from requirements*.txt, at the newest versions they allow
	@sh .ci/environment requirements-dev.lock
	@for name in requirements requirements-dev; do \
		echo "Locking $$name.txt"; \
		$(PY) -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
			--no-emit-index-url --no-emit-find-links $$name.txt --output-file $$name.lock || exit 1; \
	done
