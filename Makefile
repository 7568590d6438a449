# gb-iris: Elexon's IRIS feed as typed, deduplicated BigQuery tables.
# Everything is made on first use: `make run-local` and `make test` need nothing but
# Python 3.11 or newer. `make help` lists the targets.

.DEFAULT_GOAL := help
PYTHON := .venv/bin/python

# The commands take these from the environment, as they were given: a quote, a space or
# a dollar sign in a path or in SQL means itself.
VARIABLES := SAMPLES UNTIL DATA PUBSUB MODE ARCHIVE SQL PROJECT DATASET
$(foreach name,$(VARIABLES),$(eval override $(name) := $$(value $(name))))
export $(VARIABLES)

.PHONY: run-local query check up env down test lint sql clean help

run-local: .venv/complete ## the whole system, a demo feed or your messages, until Ctrl-C
run-local: #: SAMPLES=dir      replay <DATASET>/<message_id> files, relative to here
run-local: #: UNTIL=drained    end when all of SAMPLES is accounted for
run-local: #: DATA=dir         tables, messages and logs (default .local)
run-local: #: PUBSUB=google    or embedded (default: google where it is installed)
run-local: #: MODE=streaming   or drain: how the pipeline reads Pub/Sub (default: streaming)
run-local: #: ARCHIVE=dir      keep every message as received in files there
	@$(PYTHON) -m local stack run

query: .venv/complete ## a SQL statement on the local BigQuery, rows as JSON lines
query: #: SQL="SELECT …"   unqualified tables are those of uk_energy_prod
query: #: DATA=dir         whose tables (default .local)
	@$(PYTHON) -m local query

check: .venv/complete ## quality checks of the tables: exit code 1 when one fails
check: #: DATA=dir         the local tables of that folder (default .local)
check: #: PROJECT=id DATASET=name   those in BigQuery (DATASET: uk_energy_prod)
	@if [ -n "$$PROJECT" ]; then \
	    $(PYTHON) -m sql check --project "$$PROJECT" --dataset "$${DATASET:-uk_energy_prod}"; \
	else $(PYTHON) -m local check; fi

up: .venv/complete ## Pub/Sub, BigQuery and an IRIS simulator in the background
up: #: SAMPLES=dir DATA=dir PUBSUB=google|embedded   as for run-local
	@$(PYTHON) -m local stack up

env: .venv/complete ## their addresses: export $$(make -s env)
env: #: DATA=dir         the one given to `make up`
	@$(PYTHON) -m local stack env

down: .venv/complete ## stop them, or a run-local that goes on elsewhere
down: #: DATA=dir         the one given to `make up`
	@$(PYTHON) -m local stack down

test: .venv/complete ## all tests, against real servers on this machine
	@$(PYTHON) -m local.bigquery_env
	@$(PYTHON) -m pytest --numprocesses auto --dist loadfile

lint: .venv/complete ## ruff and mypy
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

sql: .venv/complete ## the SQL of all tables and views into build/sql/
	@$(PYTHON) -m sql render

clean: ## remove what can be made again: environments, caches, build/ (not .local/)
	@rm -rf .venv .venv-bigquery build dist *.egg-info
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@awk -F ' ## | #: ' '/^[a-z-]+:.* ## / { sub(/:.*/, "", $$1); \
	    gsub(/\$$\$$/, "$$", $$2); printf "make %-12s %s\n", $$1, $$2 } \
	    /^[a-z-]+: #: / { printf "    %s\n", $$2 }' Makefile

.venv/complete: requirements.lock
	@sh local/setup.sh
