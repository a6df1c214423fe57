# `make` alone lists the targets. Every one but `clean` sets up .venv first, and again when the pins change.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
PIP := $(BIN)/pip -qq install --disable-pip-version-check --no-input -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-browser campaign bench-corpus bench-pairs bench-training bench-encode bench-quality calibrate-gate bench-gate bench-hub lint types compile images pin push sbom test-containers manifests clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## make .venv with the exact versions of constraints.txt (2 minutes, 2.7 GB)

demo: $(READY) ## run the whole pipeline on this machine, on real documents, to a verdict
	@$(BIN)/touchstone demo

test: $(READY) ## run the tests (two at a time, 10 to 16 minutes on 2 cores)
	@$(BIN)/pytest -n 2 --dist loadfile -m "not browser"

test-browser: $(READY) ## look at the report in headless Chromium, at desk and phone width, light, dark and printed
	@$(BIN)/pytest -m browser

campaign: $(READY) ## run the long campaigns; counts and violations go to docs/results.md (half an hour or more)
	@$(BIN)/python -m tests.campaign

bench-corpus: $(READY) ## measure loading: S3 clients, parsing, memory at 200,000 documents, reruns (40 minutes)
	@$(BIN)/python -m benchmarks.s3_clients
	@$(BIN)/python -m benchmarks.corpus

bench-pairs: $(READY) ## measure mining: headings, grouping, search logs, hard negatives
	@$(BIN)/python -m benchmarks.pairs
	@$(BIN)/python -m benchmarks.logs
	@$(BIN)/python -m benchmarks.negatives

bench-training: $(READY) ## measure training against the library's trainer, and plans against what they become (half an hour)
	@$(BIN)/python -m benchmarks.training
	@$(BIN)/python -m benchmarks.plan

bench-encode: $(READY) ## measure encoding against the library's plain call, and search of a million passages (half an hour)
	@$(BIN)/python -m benchmarks.encode
	@$(BIN)/python -m benchmarks.search

bench-quality: $(READY) ## measure quality against the tutorial: three corpora, two bases, three seeds (a day on 2 cores, resumable)
	@$(BIN)/python -m benchmarks.quality

calibrate-gate: $(READY) ## train small models on the AWS corpus for the gate's benchmark: how tuned models differ (hours, resumable)
	@$(BIN)/python -m benchmarks.calibrate

bench-gate: $(READY) ## measure the gate: false promotions, power, clustered queries, leaks, planted effects (minutes)
	@$(BIN)/python -m benchmarks.gate

bench-hub: $(READY) ## measure publishing and fetching a model against plain boto3 (2 minutes)
	@$(BIN)/python -m benchmarks.hub

lint: $(READY) ## check style, format and the import contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports --no-logo

types: $(READY) ## check the types, strictly
	@$(BIN)/mypy

compile: $(READY) ## compile the demo's pipeline to build/demo.yaml, what a cluster on this machine gets
	@$(BIN)/touchstone compile recipes/demo.yaml --allow-tags --output build/demo.yaml

images: $(READY) ## build both images; BASE= another base, TORCH_INDEX= an index with torch for the processor, ENGINE=podman
	@$(BIN)/python -m pipelines.images build

pin: $(READY) ## write the bases' digests of today into images/digests.yaml
	@$(BIN)/python -m pipelines.images pin

push: $(READY) ## push the images to REGISTRY= and write their digests into images/digests.yaml
	@$(BIN)/python -m pipelines.images push '$(REGISTRY)'

sbom: $(READY) ## describe what is in the built images, as CycloneDX, in build/sbom-data.json and build/sbom-train.json
	@$(BIN)/python -m pipelines.sbom

test-containers: $(READY) ## build both images and run the demo's pipeline in them; needs Docker (10 minutes and more)
	@$(BIN)/python -m tests.containers

manifests: $(READY) ## render the base and every overlay (or OVERLAY=) to build/manifests, and check them
	@$(BIN)/python -m pipelines.manifests $(OVERLAY)
	@$(BIN)/pytest tests/cluster/test_manifests.py

clean: ## remove builds, caches and the demo's runs and state; .venv stays
	rm -rf build runs .touchstone .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info

# torch first and by its exact version: pip then takes the CPU build where it is set up to find one, instead of a GPU build of several GB.
$(READY): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "setup: needs Python 3.11 or newer with its venv module, found: $$("$(PYTHON)" --version 2>&1). Try: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@echo "setting up  .venv, quietly; the first time takes about two minutes"; mkdir -p .venv; date +%s > .venv/.started
	@test -x $(BIN)/pip || "$(PYTHON)" -m venv .venv
	@$(PIP) "$$(grep '^torch==' constraints.txt)"
	@$(PIP) -e '.[dev]'
	@t=$$(( $$(date +%s) - $$(cat .venv/.started) )); touch $@; \
	  echo "set up      python $$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'), $$(ls -d .venv/lib/python*/site-packages/*.dist-info | wc -l) packages   $$((t / 60))m $$((t % 60))s"
