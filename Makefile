# The environment is .venv in the checkout; `make` (re)makes it when the files that it depends on change.

SHELL := /bin/bash
RUNTIME ?=
PYTHON := .venv$(if $(RUNTIME),-$(RUNTIME))/bin/python
READY := .venv/.ready

DEMO_DATE ?= 2017-02-26
PYTEST_ARGS ?=
MUTANTS ?=
FAULTS ?=
PEERS ?=
BENCHMARK ?=
SCALE ?=

.DEFAULT_GOAL := help
.PHONY: help setup environment runtime demo demo-catalogue test inputs mutants bench bench-against peers scale results docs lint \
	format audit faults clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

setup: $(READY) ## creates or updates .venv (each command below does so, too)

$(READY): setup.py conf/constraints.txt .ci/environment .ci/horovod .ci/toolchain.cmake .ci/cxx20.cmake .ci/trust_store.py .ci/jars.py .ci/class_archive.py
	@.ci/environment
	@touch $@

environment: $(READY)
	@[ -z "$(RUNTIME)" ] || .ci/runtime $(RUNTIME)

runtime: $(READY) ## one thin night on another runtime comes to the same content (RUNTIME=spark-4.0, spark-4.1, dbr-16.4)
	@.ci/runtime $(RUNTIME) night

demo: $(READY) ## runs one night on the embedded shop data (DEMO_DATE=2017-02-26) and prints where its report is
	@$(PYTHON) jobs/nightly.py --config conf/demo.yaml --date $(DEMO_DATE)

demo-catalogue: $(READY) ## fills the gaps of the same shop's catalogue, and measures how well
	@$(PYTHON) jobs/complete_attributes.py --config conf/catalogue/complete_journey.yaml --date 2017-02-04

test: environment ## runs every test, in two processes (PYTEST_ARGS="-k sessions -x" for some; RUNTIME=spark-4.0)
	@$(PYTHON) -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

inputs: $(READY) ## reads 1,324 logs with a fault each, and compares what an independent reader says (INPUTS="--each 3")
	@PYTHONPATH=. $(PYTHON) -m tests.inputs.check $(INPUTS)

faults: $(READY) ## ends a night at each of its writes, and runs it again; hours (FAULTS="--points 10" for some)
	@PYTHONPATH=. $(PYTHON) -m tests.faults.run $(FAULTS)

mutants: $(READY) ## puts one wrong line at a time into a copy of lib, and a test must fail (MUTANTS="gate-harm --jobs 1")
	@$(PYTHON) tests/mutants/run.py $(MUTANTS)

bench: $(READY) ## measures the throughput of each stage
	@$(PYTHON) tests/bench/run.py
	@PYTHONPATH=. $(PYTHON) -m tests.bench.search

bench-against: $(READY) ## measures ingest beside another commit (COMMIT=219723a)
	@$(PYTHON) tests/bench/against.py $(COMMIT)

scale: $(READY) ## nights on 1, 3, 10 and 30 million events, hours: what each stage takes (SCALE="--millions 1 3")
	@PYTHONPATH=. $(PYTHON) -m tests.bench.scale $(SCALE)

peers: $(READY) ## measures other software beside ours, each in an environment of its own (PEERS="--only rectools --quick")
	@PYTHONPATH=. $(PYTHON) -m tests.bench.peers $(PEERS)

results: $(READY) ## writes the tables of docs/results.md from docs/results/ (BENCHMARK=conf/bench/toys.yaml keeps its results first)
	@PYTHONPATH=. $(PYTHON) tests/bench/results.py $(if $(BENCHMARK),--config $(BENCHMARK))

docs: $(READY) ## writes docs/configuration.md from the structs of the configuration
	@$(PYTHON) -m recaug.config.reference

lint: $(READY) ## ruff and mypy
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy

format: $(READY) ## lets ruff mend what it can
	@$(PYTHON) -m ruff check --fix
	@$(PYTHON) -m ruff format

audit: $(READY) ## known faults of the pinned and the lowest allowed versions, and bandit
	@PYTHONPATH=. $(PYTHON) -m tests.audit
	@$(PYTHON) -m bandit -q -ll -r lib jobs

clean: ## removes what the commands wrote (not .venv, not the cached Horovod)
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis spark-warehouse metastore_db derby.log
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
