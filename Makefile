# `make help` lists the targets. Each does all of its own set-up; later runs download nothing.
SHELL := bash
.ONESHELL:
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

UV := .tools/uv/bin/uv
PY := .venv/bin/python
LOCK := $(UV) pip compile -q --universal --generate-hashes --python-version 3.13 --no-header

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(UV):
	python3 -m venv .tools/uv
	.tools/uv/bin/pip install -q --disable-pip-version-check 'uv>=0.7'

# With the bytecode at once: where Python may write none, every process would compile all that it imports, which makes
# pyspark's import three times as long, and the SQL connector's Thrift types alone cost 47 MB.
.venv/.synced: requirements-dev.txt pyproject.toml | $(UV)
	$(UV) venv -q --allow-existing -p 3.13 .venv
	$(UV) pip sync -q --compile-bytecode --require-hashes -p .venv requirements-dev.txt
	$(UV) pip install -q -p .venv --no-deps -e .
	touch $@

.tools/.fetched: .venv/.synced local_stack/toolchain.py local_stack/package-lock.json
	$(PY) -m local_stack.toolchain
	touch $@

setup: .tools/.fetched ## Python packages, Java, Node, Spark's jars, Azurite, Chromium
	@$(PY) -m local_stack.chromium

lock: | $(UV) ## compile requirements.txt and requirements-dev.txt from pyproject.toml
	$(LOCK) --extra service pyproject.toml -o requirements.txt
	$(LOCK) --extra service --extra cli --group local --group dev --group demo -c requirements.txt pyproject.toml -o requirements-dev.txt
	$(LOCK) --no-annotate benchmarks/dlt.in -o benchmarks/requirements-dlt.txt

up: .tools/.fetched ## the whole service on this machine, until interrupted; addresses in .local/stack.json
	.venv/bin/hubctl up

demo: .tools/.fetched ## the main job on real data, from an empty stack
	$(PY) -m local_stack.demo

demo-spoke: .tools/.fetched ## a spoke's own job, bronze to export, from its bundle; by a scheduler and by the service
	$(PY) -m local_stack.demo_spoke

test: setup ## all tests but those of test-faults and test-outages, on the real stack
	$(PY) -m pytest

test-unit: .venv/.synced ## the tests that need no stack and no browser
	$(PY) -m pytest -m 'not stack and not browser'

test-page: setup ## the operators' page in a real Chromium, on stand-ins
	$(PY) -m pytest tests/browser

test-faults: .tools/.fetched ## exactly once, proved by killing loaders and Spark at every step
	$(PY) -m pytest tests/faults

test-outages: .tools/.fetched ## each kind of fault, storms of them, and long outages between the service and what it needs
	$(PY) -m pytest tests/long_outages

.tools/dlt/.synced: benchmarks/requirements-dlt.txt | $(UV)
	$(UV) venv -q --allow-existing -p 3.13 .tools/dlt
	$(UV) pip sync -q --compile-bytecode --require-hashes -p .tools/dlt benchmarks/requirements-dlt.txt
	touch $@

bench: .tools/.fetched .tools/dlt/.synced ## speed: ratios, results.json, docs/benchmarks.md; some alone: PARTS='small planning'
	$(PY) -m benchmarks $(PARTS)

soak: .tools/.fetched ## 30 minutes of mixed load with faults: nothing lost, nothing twice, memory flat; MINUTES=5 is a try
	$(PY) -m benchmarks.soak $(MINUTES)

check: .venv/.synced ## lint, types, import rules, stale requirements
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	bash scripts/check_requirements.sh

fmt: .venv/.synced ## format, and mend what the linter can
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

.PHONY: help setup lock up demo demo-spoke test test-unit test-page test-faults test-outages bench soak check fmt
