# Everything happens inside the clone: .venv, .cache, .meltano and .demo hold what is installed,
# downloaded and made. Needs Python 3.10 to 3.13 with its venv module, and nothing else.

FITS = import ensurepip, sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
NAMES = python3 python3.13 python3.12 python3.11 python3.10 python
PYTHON ?= $(shell for name in $(NAMES); do \
	$$name -c '$(FITS)' 2>/dev/null && echo $$name && break; done)
BIN = .venv/bin
LIVE = sh scripts/live.sh

.DEFAULT_GOAL := help

# What pip, uv and Meltano would otherwise leave in the home directory.
export PIP_CACHE_DIR = $(CURDIR)/.cache/pip
export UV_CACHE_DIR = $(CURDIR)/.cache/uv
export XDG_STATE_HOME = $(CURDIR)/.cache/state
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo test test-e2e test-pythons lint bench soak compared docs pictures clean browser

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .meltano/demo ## Both directions through Meltano, against the sandbox
	@$(BIN)/python -m demo

test: .venv/installed ## All tests but those in tests/e2e, with coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto --dist worksteal --ignore tests/e2e
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-e2e: .venv/installed .meltano/installed browser ## The commands as users run them: in pipes, by Meltano, with PostgreSQL; pages in a browser
	$(BIN)/pytest -n auto --dist worksteal tests/e2e

test-pythons: .venv/installed ## The packages' own tests on every declared Python that is found
	$(BIN)/python scripts/pythons.py

lint: .venv/installed ## Style, types, and the workflows' security
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/zizmor --offline --quiet .github

bench: .venv/installed ## The speed figures
	$(BIN)/python -m benchmarks

soak: .venv/installed ## A million rows through both connectors, with all that can go wrong
	$(BIN)/python -m benchmarks.soak

compared: .venv/installed ## Count what this tap, Airbyte's CDK and dlt read of the sample tenant
	$(BIN)/python -m benchmarks.compared

docs: .venv/installed ## Bring all that is made from the code up to date
	$(BIN)/python scripts/settings.py
	$(BIN)/python scripts/streams.py
	$(BIN)/python scripts/hub.py
	$(BIN)/python scripts/pictures.py
	$(BIN)/python scripts/dbt_models.py

pictures: .venv/installed .meltano/demo ## Record the demo, take the screenshots (by chromium), and draw both
	$(BIN)/python -m demo | tee demo/transcript.txt
	$(BIN)/python scripts/screenshots.py
	$(BIN)/python scripts/pictures.py

clean: ## Remove all that these commands made
	rm -rf .venv .cache .meltano .demo .inventory output/* .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis

browser:
	@command -v chromedriver > /dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; \
		then echo "Installing chromium for the tests of pages ..."; \
		apt-get update -qq && apt-get install -qq -y chromium chromium-driver > /dev/null; fi || true
	@command -v chromedriver > /dev/null || \
		echo "Without chromium and chromedriver the tests of pages are skipped."

.venv/demo: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.10 to 3.13 with its venv module is needed;" \
		"name one: make PYTHON=/path/to/python $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(LIVE) "Installing uv into .venv" .cache/uv.log $(BIN)/python -m pip install uv
	@$(LIVE) "Installing the connectors and Meltano into .venv" .cache/demo.log \
		$(BIN)/uv pip install --python $(BIN)/python --editable '.[sandbox]' --group demo
	@touch $@

.venv/installed: .venv/demo
	@$(LIVE) "Installing what tests need into .venv" .cache/dev.log \
		$(BIN)/uv pip install --python $(BIN)/python --group dev
	@touch $@

.meltano/demo: .venv/demo meltano.yml
	@mkdir -p .meltano
	@$(LIVE) "Installing the demo's Meltano plugins into .meltano" .cache/meltano.log \
		$(BIN)/meltano install tap-planhat tap-jsonl target-planhat target-duckdb
	@touch $@

.meltano/installed: .meltano/demo
	@$(LIVE) "Installing all Meltano plugins into .meltano" .cache/meltano.log $(BIN)/meltano install
	@touch $@
