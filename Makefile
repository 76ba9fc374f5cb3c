# Everything here needs Python >= 3.10, pip and make; the rest is installed into .venv.
.PHONY: run install test lint format bench nightly lock clean help
.DEFAULT_GOAL := help

PY := .venv/bin/python
# A .venv whose Python is gone (moved folder, upgraded system) is made anew.
ifeq ($(shell test -x $(PY) && echo yes),)
  $(shell rm -f .venv/.installed .venv/.installed-test .venv/.installed-bench)
endif

# The lock is newer than the stamp: install. Otherwise nothing is started at all.
.venv/.installed: requirements/base.txt
	@python=$${PYTHON:-$$(sh scripts/find-python)} && "$$python" scripts/install.py $<
	@touch $@

.venv/.installed-test: requirements/test.txt | .venv/.installed
	@$(PY) scripts/install.py $<
	@touch $@

.venv/.installed-bench: requirements/bench.txt | .venv/.installed
	@$(PY) scripts/install.py $<
	@touch $@

install: .venv/.installed  ## Create .venv, install the locked requirements and the embedded model
	@$(PY) -m app.weights

run: .venv/.installed  ## Set up, bring the index up to date, open the chat on http://127.0.0.1:7860
	@$(PY) -m app.weights || echo "Going on without the embedded model: answers will be quotes."
	@$(PY) -m ingest sync || echo "Going on with what is indexed."
	@exec $(PY) -m app

lint: .venv/.installed .venv/.installed-test  ## Format, style and types
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@$(PY) -m mypy

format: .venv/.installed .venv/.installed-test  ## Rewrite the code in its one format
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

# The tests need the packaged model, whatever a user's own settings name; empty goes before what .env says.
PACKAGED := OPENAI_API_KEY= OPENAI_BASE_URL= CHAT_MODEL= CHAT_MODELS= $(PY) -m app.weights

# A test often waits: for a browser, a server, a child. Which go together: tests/conftest.py.
TWO_AT_ONCE := -n 2 --dist loadscope --no-loadscope-reorder

test: lint .venv/.installed-test  ## Set up, then every test but the long ones
	@$(PACKAGED)
	@sh scripts/chromium
	@$(PY) -m pytest $(TWO_AT_ONCE)

nightly: .venv/.installed .venv/.installed-test  ## The long fault and load tests, none skipped: 300 kills, every bad file, 10 minutes of 20 users
	@$(PACKAGED)
	@sh scripts/chromium
	@sh scripts/nginx
	@$(PY) -m pytest -m "nightly or equipped" --no-skips --timeout 3600 --session-timeout 36000

# Each is a command that prints its tables and writes bench/results/NAME.json and .md; see bench/README.md.
BENCHES := extraction retrieval speed ingest checker page models gates
bench: install .venv/.installed-test .venv/.installed-bench  ## Measure, in about an hour, and print the tables of the README
	@sh scripts/chromium
	@$(PY) -m ingest sync
	@failed=; for name in $(BENCHES); do $(PY) -m bench.$$name || failed="$$failed $$name"; done; \
	  test -z "$$failed" || { echo "Not measured:$$failed (each says above why)."; exit 1; }

LOCK := uv pip compile -q --universal --python-version 3.10 --generate-hashes --no-header --no-annotate --upgrade
lock:  ## Resolve the requirements of pyproject.toml anew (needs uv)
	@$(LOCK) pyproject.toml -o requirements/base.txt
	@$(LOCK) --group pyproject.toml:test -c requirements/base.txt -o requirements/test.txt
	@$(LOCK) --group pyproject.toml:bench -c requirements/base.txt -o requirements/bench.txt

clean:  ## Delete the environment, the index and the caches; never the corpus
	rm -rf .venv .index .cache

help:
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20
