.DEFAULT_GOAL := help
VENV := .venv
PYTHON ?= python3
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: help setup lock repro verify pretrain original crossval lr-find test test-slow lint format report \
  compare ui record register clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

# An environment's scripts name its place, so that one that was moved is made anew.
ifneq ($(shell grep -svxF '$(CURDIR)' $(VENV)/.ready),)
.PHONY: $(VENV)/.ready
endif

setup: $(VENV)/.ready  ## create .venv from requirements.lock

# uv installs the lock in seconds; pip does the same, slower, where uv cannot be had.
$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	@{ { command -v uv || pip install --quiet uv; } >/dev/null && \
	  uv pip install --quiet --compile-bytecode --python $(VENV)/bin/python --require-hashes -r requirements.lock && \
	  uv pip install --quiet --python $(VENV)/bin/python --no-build-isolation --no-deps -e .; } || \
	{ pip install --require-hashes -r requirements.lock && \
	  pip install --no-build-isolation --no-deps -e .; }
	@echo '$(CURDIR)' > $@

lock:  ## pin pyproject.toml's dependencies anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements.lock

repro: setup .state/sound  ## run the whole pipeline, or what has changed of it
	@captcha-tagger check
	dvc repro
	@test params.yaml -nt .state/sound || touch .state/sound

# Newer than params.yaml and DVC's bookkeeping where the last run ended well, so that nothing to do
# is said fast. A rwlock that names no file is sound.
RWLOCK := $(shell grep -sLEx '\{("(read|write)": \{\}(, )?)*\}' .dvc/tmp/rwlock)
.state/sound: params.yaml $(wildcard dvc.lock) $(RWLOCK) | $(VENV)/.ready
	@python -m captcha_tagger.reproduce.recover
	@mkdir -p $(@D) && touch $@

verify: setup  ## repeat the pipeline from nothing in a temporary clone; are all hashes equal?
	@python -m captcha_tagger.reproduce.verify

pretrain: setup  ## make the shipped backbone again: hours of one core; fetches faces with npm
	python -m captcha_tagger.backbone.ship .state/faces

BACKBONE ?= imagenet
original: setup  ## the original blog post's recipe as a DVC experiment (BACKBONE=random offline)
	dvc exp run --name original-$(BACKBONE) --force \
	  -S backbone.source=$(BACKBONE) -S backbone.architecture=resnet18 -S backbone.output_stride=32 \
	  -S train_head.head=concat -S train_head.epochs=5 -S train_head.learning_rate=5e-2 \
	  -S train_head.batch_size=64 -S train_head.augment=true \
	  -S fine_tune.epochs=15 -S 'fine_tune.learning_rates=[1e-3,1e-2]' -S fine_tune.batch_size=64 \
	  -S fine_tune.threshold=0.2 -S fine_tune.ema_decay=0 \
	  -S train_head.shards=1 -S fine_tune.shards=1

crossval: setup  ## cross-validate the params on FOLDER: 5 folds x 3 seeds
	python benchmarks/quality.py crossval $(FOLDER)

lr-find: setup  ## find train_head.learning_rate by a range test, with a plot
	captcha-tagger lr-find

# A worker for each core, with a core of its own; who is done takes tests from the others.
test: setup  ## run the fast tests
	OMP_NUM_THREADS=1 pytest -n logical --dist worksteal

# Three, since many wait for a server or a training; each takes its next test when it is done with one.
test-slow: setup  ## run the slow tests: kills, real servers, a real browser
	OMP_NUM_THREADS=1 pytest -m slow -n 3 --dist load --maxschedchunk 1

lint: setup  ## check style and types
	ruff check .
	ruff format --check .
	lint-imports --no-logo
	mypy
	cd benchmarks && mypy --config-file mypy.ini *.py peers/*.py

format: setup  ## rewrite the code in the house style
	ruff check --fix .
	ruff format .

report: setup  ## open the page about the last run
	@test -f data/top_losses/report.html || { echo "no page yet: run make repro"; exit 2; }
	@echo data/top_losses/report.html
	@python -m webbrowser "file://$(CURDIR)/data/top_losses/report.html"

A ?= HEAD
B ?= workspace
compare: setup  ## say how two experiments differ, and write compare.html: A=HEAD B=workspace, or runs
	@captcha-tagger compare "$(A)" "$(B)" --page compare.html
	@python -m webbrowser "file://$(CURDIR)/compare.html"

ui: setup  ## open the MLflow UI on 127.0.0.1:5000
	captcha-tagger ui

record: setup  ## complete the MLflow store from what is on disk
	captcha-tagger record

register: setup  ## register this experiment's model, or RUN=...; the best is champion
	captcha-tagger register $(RUN)

clean:  ## remove the environment and the outputs, not your data, the MLflow store or the DVC cache
	rm -rf $(VENV) .state/sound .state/resume .state/live .pytest_cache .mypy_cache .ruff_cache
	rm -rf $(addprefix data/,sample ingest split backbone train_head fine_tune evaluate top_losses)
