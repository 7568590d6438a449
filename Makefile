# gb-iris: Elexon's IRIS feed as typed, deduplicated BigQuery tables.
# Everything is made on first use: `make run-local` and `make test` need nothing but
# Python 3.11 or newer. `make help` lists the targets.

.DEFAULT_GOAL := help
PYTHON := .venv/bin/python

# The commands take these from the environment, unchanged: a quote, a space or
# a dollar sign in a path or in SQL means itself.
VARIABLES := SAMPLES UNTIL DATA PUBSUB MODE RATE ARCHIVE SQL PROJECT DATASET
VARIABLES += EVERY SUBSCRIPTION REASON IRIS_DATASET IRIS SINCE AGAIN DRY FROM TO MISSING VIA
VARIABLES += SQL_FILE FORMAT OUT MAX_BYTES LIKE DASHBOARD PORT
VARIABLES += REGION BUCKET TAG UPDATE DRAIN OPTIONS TIMEOUT RUN_DRAIN CLEAN HOURS SEED

# An empty one is a shell's variable that is not set: what is meant for the cloud would
# be done on this machine.
$(if $(findstring command,$(origin PROJECT)),$(if $(PROJECT),,$(error PROJECT is empty: name a project, or leave it out for this machine)))

$(foreach name,$(VARIABLES),$(eval override $(name) := $$(value $(name))))
# The name until release 0.1.
ifneq ($(value IRIS),)
override IRIS_DATASET := $(value IRIS)
endif
export $(VARIABLES)

# A mistyped variable would count as left out: DRYRUN=1 publishes. Settings of the
# programs (IRIS_QUEUE_NAME, PUBSUB_TOPIC, ...) may be given here, too, and those of the
# tools that they are installed and tested with.
SETTINGS := IRIS_% PUBSUB_% BIGQUERY_% HEALTH_% DASHBOARD_% GOOGLE_% CLOUDSDK_% PYTHON% SHELL \
	PIP_% UV_% PYTEST_% CC CFLAGS LDFLAGS HOME PATH TMPDIR %_PROXY %_proxy
GIVEN := $(foreach name,$(.VARIABLES),$(if \
	$(findstring command,$(origin $(name))),$(name)))
MISTYPED := $(strip $(filter-out $(SETTINGS) $(VARIABLES),$(GIVEN)))
$(if $(MISTYPED),$(error no variable $(MISTYPED): `make help` lists them))

# A variable as an option of the program, left out where it is not set. OPTIONS has what
# no variable is for.
option = $${$(1):+--$(2) "$$$(1)"}
flag = $${$(1):+--$(2)}
need = [ -n "$$$(1)" ] || { echo "$@: $(2)" >&2; exit 2; }

TABLES = $(call option,PROJECT,project) $(call option,DATASET,dataset)
SAY_WHEN = name an interval: FROM=2026-05-06 TO=2026-05-07
SAY_WHERE = say where: PROJECT=id REGION=europe-west2
IN_CLOUD = $(call need,PROJECT,$(SAY_WHERE)); $(call need,REGION,$(SAY_WHERE))
DEPLOYMENT = $(call option,PROJECT,project) $(call option,REGION,region) \
	$(call option,TAG,tag) $(call flag,DRY,dry-run)

# With a PROJECT it is Google Cloud, else what runs on this machine.
ifeq ($(value PROJECT),)
QUERY = local query
SHELL_OF = local shell
LISTING = local tables
DASH = local dashboard
CHECK = local check
REFRESH = local refresh
STATUS = local status
DRAIN_NOW = local drain
REPLAY = local replay
BACKFILL = local backfill
else
QUERY = sql query $(TABLES)
SHELL_OF = sql shell $(TABLES) --history "$${DATA:-.local}/sql-history"
LISTING = sql tables $(TABLES)
DASH = dashboard serve $(TABLES) $(call option,DATA,data)
CHECK = sql check $(TABLES)
REFRESH = sql refresh $(TABLES)
STATUS = sql status $(TABLES)
DRAIN_NOW = pipeline --drain $(TABLES) \
	--subscription "projects/$$PROJECT/subscriptions/$$SUBSCRIPTION"
REPLAY = bridge replay $(TABLES)
BACKFILL = bridge backfill $(TABLES)
endif

COMPILE = .venv/bin/uv pip compile --quiet --no-header --no-annotate --generate-hashes \
	--python-version 3.11
# What a user needs; tests and analyses need more.
USED = bridge cloud dashboard local pandas pipeline query sql
ON_LINUX = --python-platform x86_64-manylinux_2_28 --constraint requirements.lock

# Whole files, in the order of tests/conftest.py, to workers that are free. Where Python
# writes no bytecode, each worker and program would compile all that it imports again.
PYTEST = PYTHONDONTWRITEBYTECODE= $(PYTHON) -m pytest \
	--numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: run-local dashboard query sql-shell tables status check refresh drain replay backfill up env down test test-faults soak bench lint sql clean help
.PHONY: images template launch smoke cost lock audit sbom

run-local: .venv/complete ## the whole system, a demo feed or your messages, until Ctrl-C
run-local: #: SAMPLES=dir      replay <DATASET>/<message_id> files, relative to here
run-local: #: UNTIL=drained    end when all of SAMPLES is accounted for
run-local: #: DATA=dir         tables, messages and logs (default .local)
run-local: #: PUBSUB=google    Google's emulator, in memory only (default: embedded, in a file)
run-local: #: MODE=drain       or streaming: how the pipeline reads Pub/Sub (default: drain)
run-local: #: RATE=3.5        messages a second of the demo (default: 1; SAMPLES: as fast as they are received)
run-local: #: ARCHIVE=dir      keep every message as received in files there
run-local: #: DASHBOARD=0      without the dashboard
	@$(PYTHON) -m local stack run

dashboard: .venv/complete ## live pages of the tables in a browser
dashboard: #: PORT=8050        of this machine (default: the one before, or a free one)
dashboard: #: DATA=dir         the folder of the local tables (default .local)
dashboard: #: PROJECT=id DATASET=name   the tables in BigQuery (DATASET: uk_energy_prod)
dashboard: #: MAX_BYTES=3GB    with PROJECT: refuse a query that is billed more
dashboard: #: OPTIONS="…"      more options of `python -m dashboard serve --help`
	@$(PYTHON) -m $(DASH) $(call option,PORT,port) \
	    $(call option,MAX_BYTES,max-bytes) $$OPTIONS

query: .venv/complete ## a SQL statement: its rows, and what it did
query: #: SQL="SELECT …"   or SQL_FILE=file, or standard input; tables of uk_energy_prod need no prefix
query: #: FORMAT=table     or json, csv, parquet (default: a table in a terminal, else JSON lines)
query: #: OUT=rows.csv     write the rows to this file; its ending names the format, too
query: #: DATA=dir         the folder of the local tables (default .local)
query: #: PROJECT=id DATASET=name   the tables in BigQuery (DATASET: uk_energy_prod)
query: #: MAX_BYTES=2GB    with PROJECT: do not run a query that reads more
	@$(PYTHON) -m $(QUERY) $(call option,SQL_FILE,file) $(call option,FORMAT,format) \
	    $(call option,OUT,out) $(call option,MAX_BYTES,max-bytes)

sql-shell: .venv/complete ## a prompt for SQL statements, with completion and history
sql-shell: #: FORMAT=json     or table, csv: the form of rows (default: a table in a terminal)
sql-shell: #: DATA=dir         the folder of the local tables, and of the history (default .local)
sql-shell: #: PROJECT=id DATASET=name   the tables in BigQuery (DATASET: uk_energy_prod)
sql-shell: #: MAX_BYTES=2GB    with PROJECT: do not run a query that reads more
	@$(PYTHON) -m $(SHELL_OF) $(call option,FORMAT,format) \
	    $(call option,MAX_BYTES,max-bytes)

tables: .venv/complete ## tables and views, or the columns of one
tables: #: LIKE=freq        those whose names have this part; a whole name: its columns
tables: #: FORMAT=json      or table, csv (default: a table in a terminal, else JSON lines)
tables: #: DATA=dir         the folder of the local tables (default .local)
tables: #: PROJECT=id DATASET=name   the tables in BigQuery (DATASET: uk_energy_prod)
	@$(PYTHON) -m $(LISTING) $(call option,FORMAT,format) $${LIKE:+"$$LIKE"}

status: .venv/complete ## how all parts are, and the feed; fails if something is wrong
status: #: FORMAT=json       for programs (default: a table)
status: #: DATA=dir          the folder of `make run-local` or `make up` (default .local)
status: #: PROJECT=id DATASET=name   what the tables in BigQuery say (DATASET: uk_energy_prod)
	@$(PYTHON) -m $(STATUS) $(call option,FORMAT,format)

check: .venv/complete ## check the quality of the tables; fails if a check fails
check: #: DATA=dir         the folder of the local tables (default .local)
check: #: PROJECT=id DATASET=name   the tables in BigQuery (DATASET: uk_energy_prod)
check: #: OPTIONS="…"      more options of `python -m sql check --help`
	@$(PYTHON) -m $(CHECK) $$OPTIONS

refresh: .venv/complete ## resolve the limits that have arrived: the resolved views are fast then
refresh: #: DATA=dir         the folder of the local tables (default .local)
refresh: #: PROJECT=id DATASET=name   the tables in BigQuery (DATASET: uk_energy_prod)
refresh: #: OPTIONS="…"      more options of `python -m sql refresh --help`
	@$(PYTHON) -m $(REFRESH) $$OPTIONS

drain: .venv/complete ## write the messages that wait in Pub/Sub to the tables
drain: #: EVERY=60s        repeat until stopped
drain: #: DATA=dir         the folder of `make up` (default .local)
drain: #: PROJECT=id SUBSCRIPTION=name DATASET=name   in the cloud (DATASET: uk_energy_prod)
drain: #: OPTIONS="…"      more options of `python -m pipeline --help`
	@[ -z "$$PROJECT" ] || \
	    $(call need,SUBSCRIPTION,name what to read: SUBSCRIPTION=iris-messages-pipeline); \
	[ -z "$$SUBSCRIPTION" ] || \
	    $(call need,PROJECT,SUBSCRIPTION is for the cloud: name its PROJECT=id); \
	$(PYTHON) -m $(DRAIN_NOW) $(call option,EVERY,every) $$OPTIONS

replay: .venv/complete ## publish dead letters and unmapped messages again
replay: #: REASON=WRONG_TYPE IRIS_DATASET=REMIT SINCE=2026-05-06   only those (default: all)
replay: #: DRY=1            show what it would do; AGAIN=1: also what has no result yet
replay: #: DATA=dir         the folder of `make up` or `make run-local` (default .local)
replay: #: PROJECT=id DATASET=name   in the cloud, to PUBSUB_TOPIC (DATASET: uk_energy_prod)
replay: #: OPTIONS="…"      more options of `python -m bridge replay --help`
	@$(PYTHON) -m $(REPLAY) $(call option,REASON,reason) \
	    $(call option,IRIS_DATASET,iris-dataset) $(call option,SINCE,since) \
	    $(call flag,AGAIN,again) $(call flag,DRY,dry-run) $$OPTIONS

backfill: .venv/complete ## publish messages of an interval from Elexon's archive
backfill: #: FROM=2026-05-06 TO=2026-05-07T12:00   of the upload to IRIS, in UTC
backfill: #: IRIS_DATASET=FREQ   that dataset only (default: all)
backfill: #: MISSING=1        only messages that are not in the tables
backfill: #: VIA=api          from the Insights API, which lacks 18 datasets
backfill: #: DRY=1           list and report; AGAIN=1: publish a finished interval again
backfill: #: DATA=dir         the folder of `make up` or `make run-local` (default .local)
backfill: #: PROJECT=id DATASET=name   to PUBSUB_TOPIC (DATASET: uk_energy_prod)
backfill: #: OPTIONS="…"      more options of `python -m bridge backfill --help`
	@$(call need,FROM,$(SAY_WHEN)); $(call need,TO,$(SAY_WHEN)); \
	$(PYTHON) -m $(BACKFILL) $(call option,FROM,from) $(call option,TO,to) \
	    $(call option,IRIS_DATASET,iris-dataset) $(call flag,MISSING,missing) \
	    $(call option,VIA,via) $(call flag,AGAIN,again) $(call flag,DRY,dry-run) $$OPTIONS

up: .venv/complete ## Pub/Sub, BigQuery and an IRIS simulator in the background
up: #: SAMPLES=dir DATA=dir PUBSUB=google   as for run-local
	@$(PYTHON) -m local stack up

env: .venv/complete ## their addresses: export $$(make -s env)
env: #: DATA=dir         the folder of `make up` (default .local)
	@$(PYTHON) -m local stack env

down: .venv/complete ## stop them, or a `make run-local` in another terminal
down: #: DATA=dir         the folder of `make up` or `make run-local` (default .local)
	@$(PYTHON) -m local stack down

images: .venv/complete ## build the images of pipeline, bridge and dashboard with Cloud Build
images: #: PROJECT=id REGION=europe-west2 [TAG=name] [BUCKET=name]
images: #: DRY=1           print what it would do
images: #: OPTIONS="…"     more options of `python -m cloud images --help`
	@$(IN_CLOUD); $(PYTHON) -m cloud images $(DEPLOYMENT) \
	    $(call option,BUCKET,bucket) $$OPTIONS

template: .venv/complete ## publish the Dataflow flex template of a release, built if it is not
template: #: PROJECT=id REGION=europe-west2 [BUCKET=name] [TAG=name]
template: #: DRY=1           print what it would do
template: #: OPTIONS="…"     more options of `python -m cloud template --help`
	@$(IN_CLOUD); $(PYTHON) -m cloud template $(DEPLOYMENT) \
	    $(call option,BUCKET,bucket) $$OPTIONS

launch: .venv/complete ## start the streaming job on Dataflow, from the template of a release
launch: #: PROJECT=id REGION=europe-west2 TAG=name [BUCKET=name] [DATASET=name]
launch: #: UPDATE=1        replace the running job; DRAIN=1: end it
launch: #: DRY=1           print the request
launch: #: OPTIONS="…"     more options of `python -m cloud launch --help`
	@$(IN_CLOUD); $(PYTHON) -m cloud launch $(DEPLOYMENT) \
	    $(call option,BUCKET,bucket) $(call option,DATASET,dataset) \
	    $(call flag,UPDATE,update) $(call flag,DRAIN,drain) $$OPTIONS

smoke: .venv/complete ## try a deployment with a few marked messages
smoke: #: PROJECT=id REGION=europe-west2 DATASET=name   (DATASET: uk_energy_prod)
smoke: #: TIMEOUT=15m      how long to wait for rows
smoke: #: RUN_DRAIN=1      read the subscription from here
smoke: #: CLEAN=1          only remove the messages of earlier runs
smoke: #: DRY=1            print what it would publish
smoke: #: OPTIONS="…"      more options of `python -m cloud smoke --help`
	@$(call need,PROJECT,$(SAY_WHERE)); $(PYTHON) -m cloud smoke $(TABLES) \
	    $(call option,REGION,region) $(call option,TIMEOUT,timeout) \
	    $(call flag,RUN_DRAIN,run-drain) $(call flag,CLEAN,clean) \
	    $(call flag,DRY,dry-run) $$OPTIONS

cost: .venv/complete ## what a month in the cloud costs
cost: #: OPTIONS="…"     options of `python -m cloud cost --help`
	@$(PYTHON) -m cloud cost $$OPTIONS

test: .venv/developer ## all tests, against real servers on this machine
	@$(PYTHON) -m local.bigquery.environment
	@$(PYTEST)

test-faults: .venv/developer ## only the tests that kill, freeze, cut and fill parts
	@$(PYTHON) -m local.bigquery.environment
	@$(PYTEST) -m "faults or promise"

soak: .venv/developer ## the whole system for hours, with random faults; fails if anything is lost
soak: #: HOURS=2 SEED=1   how long, and of which messages and faults (default: 2 hours, seed 1)
soak: #: RATE=70         messages a second (default: 20 times IRIS's highest rate)
soak: #: DATA=dir        a new folder for tables, logs and figures (default: one in build/)
soak: #: OPTIONS="…"     more options of `python -m tests.faults.soak --help`
	@$(PYTHON) -m tests.faults.soak $(call option,HOURS,hours) $(call option,SEED,seed) \
	    $(call option,RATE,rate) $$OPTIONS

bench: .venv/developer ## measure speed and memory, compared with something simpler in the same run
bench: #: OPTIONS="--only decode --scale 0.1"   a part, or a quick look
	@$(PYTHON) -m benchmarks $$OPTIONS

audit: .venv/developer ## advisories, secrets and licences of what is shipped
audit: #: OPTIONS="--only secrets"   one of them
	@$(PYTHON) -m cloud audit $$OPTIONS

sbom: .venv/developer ## what each image has in it, into build/sbom/
	@$(PYTHON) -m cloud sbom

lint: .venv/developer ## ruff and mypy
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

sql: .venv/complete ## the SQL of all tables and views into build/sql/
	@$(PYTHON) -m sql render

lock: .venv/developer ## requirements.lock, and what the images install, from pyproject.toml
	@$(COMPILE) --universal --all-extras -o requirements.lock pyproject.toml
	@$(COMPILE) --universal --constraint requirements.lock $(USED:%=--extra %) \
	    -o local/requirements.lock pyproject.toml
	@$(COMPILE) $(ON_LINUX) --extra dataflow --extra sql \
	    -o templates/requirements.txt pyproject.toml
	@$(COMPILE) $(ON_LINUX) -o templates/build-requirements.txt templates/build-requirements.in
	@$(COMPILE) --universal --constraint requirements.lock \
	    -o templates/bridge/requirements.txt templates/bridge/requirements.in
	@$(COMPILE) --universal --constraint requirements.lock --extra dashboard \
	    -o templates/dashboard/requirements.txt pyproject.toml

clean: ## remove what can be created again: environments, caches, build/ (not .local/)
	@rm -rf .venv .venv-bigquery build dist *.egg-info
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@awk -F ' ## | #: ' '/^[a-z-]+:.* ## / { sub(/:.*/, "", $$1); \
	    gsub(/\$$\$$/, "$$", $$2); printf "make %-12s %s\n", $$1, $$2 } \
	    /^[a-z-]+: #: / { printf "    %s\n", $$2 }' Makefile

.venv/complete: local/requirements.lock
	@sh local/setup.sh

.venv/developer: requirements.lock
	@sh local/setup.sh developer
