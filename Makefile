# Bonecast in one word each. The environment is made once, in VENV, from the lock in envs/.
# An environment you have already: make demo VENV=/path/to/it
# Newer versions of everything: make lock UPGRADE=--upgrade

VENV ?= .venv
ROUNDS ?= 5
PYTHON ?= $(shell envs/find_python)
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SECONDS_SINCE = echo "$(1): $$(($$(date +%s) - start)) s"

.DEFAULT_GOAL := help
.PHONY: help demo status test faults lint bench compare coverage lock train clean install

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(INSTALLED) ## run the whole workflow on the demo cohort, ending in a report
	@start=$$(date +%s); $(BIN)/snakemake --logger rich && cat results/demo/summary.txt \
		&& $(call SECONDS_SINCE,Run time)

# The working folder of the run, seen from here.
RUN ?= .

status: ## how a run goes or went: jobs, expected end, failures with reason (RUN=its folder)
	@PYTHONPATH=scripts $(BIN)/python -m bonecast.run.status '$(RUN)'

test: $(INSTALLED) ## run every test, three files at a time: those of a cluster mostly wait
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

faults: $(INSTALLED) ## kill runs at random moments and compare what they end with (long)
	$(BIN)/python workflow_tests/faults/kill_often.py

lint: $(INSTALLED) ## check style, spelling, the workflow and the citation file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/codespell
	$(BIN)/snakemake --lint
	$(BIN)/python -m pytest -q workflow_tests/test_house.py

bench: $(INSTALLED) ## time every part against its peers, into docs/benchmarks.md (long)
	$(BIN)/python workflow_tests/benchmarks/run_all.py --rounds $(ROUNDS)
	-$(BIN)/python workflow_tests/benchmarks/bench_dag.py
	-$(BIN)/python workflow_tests/benchmarks/bench_collect.py --rounds 1

compare: ## say how results differ: FIRST, SECOND: folders results/<cohort>, or a provenance.json
	@PYTHONPATH=scripts $(BIN)/python -m bonecast.provenance.compare '$(FIRST)' '$(SECOND)'

coverage: $(INSTALLED) ## simulated cohorts of known risk: do the intervals hold (long)
	$(BIN)/python workflow_tests/benchmarks/bench_simulation.py

lock: ## resolve envs/requirements.in into the lock, keeping pins that still fit (needs uv)
	uv pip compile envs/requirements.in --output-file envs/requirements.txt --universal \
		--python-version 3.12 --generate-hashes --no-annotate --no-header $(UPGRADE)

train: $(INSTALLED) ## train the embedded segmentation model again, into training/
	$(BIN)/snakemake --force train_embedded_model

clean: ## remove the demo cohort and its results, not the environment
	rm -rf demo results/demo

install: $(INSTALLED) ## make the environment only

$(INSTALLED): envs/requirements.txt
	@start=$$(date +%s); python='$(PYTHON)'; \
	test -x $(BIN)/python || { test -n "$$python" && "$$python" -m venv $(VENV); } || exit 1; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; \
	echo "Installing the environment into $(VENV)"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r envs/requirements.txt && touch $@ && $(call SECONDS_SINCE,Install time)
