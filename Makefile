# Everything starts here: `make help` lists what there is.
# Needs Python 3.11 to 3.13, git and make. The rest comes from constraints.txt and requirements.lock.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PROMPT ?= a red circle moving right
ROUNDS := 20
SEED := 1
SIZE := full
ONLY :=
PARTS := chromium curl jq nginx-light pgbouncer prometheus

.PHONY: help run test test-page coverage parts test-faults test-observability manifests-test conformance eval-model train check bench format pages screenshots docs lock hashes clean
.DEFAULT_GOAL := help

help: ## List the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '%-16s %s\n' "$$name" "$$text"; done

run: $(VENV)/.installed ## Make a video on this machine: make run PROMPT="a red circle moving right"
	$(BIN)/reelzero run "$(PROMPT)"

# What fails beside the other tests is run once more, alone, since other work on the machine may take a core for
# seconds. The first failure stays in the output: it is a fault of the test or of the product, and to be mended.
test: $(VENV)/.installed-dev ## Run all tests on real parts
	rm -rf build/pytest
	$(BIN)/python -m pytest -n 2 --dist loadfile || \
		$(BIN)/python -m pytest -n 0 --last-failed --last-failed-no-failures none

# A target of its own, since measuring doubles the processor time of all tests and of the servers that they start.
coverage: $(VENV)/.installed-dev ## Run all tests, show what they cover, and fail where that is too little
	rm -rf build/coverage
	$(BIN)/coverage run -m pytest -n 2 --dist loadfile
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-page: $(VENV)/.installed-dev ## Test the web page in a real Chromium
	$(BIN)/python -m pytest -n 0 -rs tests/page

parts: ## Install the real parts that come from Debian, where this is Debian and you are root
	@if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		dpkg -s $(PARTS) > /dev/null 2>&1 || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PARTS) > /dev/null; }; \
	else echo "not root on Debian: tests that need one of $(PARTS) may skip and say so"; fi

test-faults: $(VENV)/.installed-dev ## Run the fault suite: make test-faults ROUNDS=200 SEED=7
	$(BIN)/python -m tests.faults --rounds $(ROUNDS) --seed $(SEED)

test-observability: $(VENV)/.installed-dev ## Test traces, metrics and alerts, and show a trace as a tree
	rm -rf build/observability
	$(BIN)/python -m pytest -n 0 -rs tests/observability
	@for text in build/observability/*.txt; do echo; echo "$$text"; cat "$$text"; done

manifests-test: $(VENV)/.installed-dev ## Test chart, config and doctor against real schemas, and the images' install step
	REELZERO_TEST_IMAGES=1 $(BIN)/python -m pytest -rs tests/manifests tests/knative tests/integration/predictor/test_knative*.py

conformance: $(VENV)/.installed-dev ## Run every client we know, in its own environment, against a real service
	$(BIN)/python -m tests.conformance.run

eval-model: $(VENV)/.installed-dev ## Judge the built-in model on 300 prompts that it has never seen
	$(BIN)/python -m training.evaluate

train: $(VENV)/.installed-dev ## Train the built-in model from a seed; continues after an interruption
	$(BIN)/python -m training.train --out build/shapes-tiny --seed 0

check: $(VENV)/.installed-dev ## Run the linters, the type checker and the rules of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/unit/test_rules.py

bench: $(VENV)/.installed-dev ## Compare with peers and write docs/benchmarks.md: make bench SIZE=quick ONLY="mark encode"
	$(BIN)/python -m bench.run --size $(SIZE) $(addprefix --only ,$(ONLY))

format: $(VENV)/.installed-dev ## Format the code
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

pages: $(VENV)/.installed-dev ## Write all generated pages: settings, metrics, fields, errors, rules, schemas, AsyncAPI, config, the chart's README
	$(BIN)/python -m tests.support.settings_table
	$(BIN)/python -m tests.support.metrics_page
	$(BIN)/python -m tests.support.fields_page
	$(BIN)/python -m tests.support.errors_page
	$(BIN)/python -m tests.support.rules_page
	$(BIN)/python -m tests.support.models_page
	$(BIN)/python -m bench.page
	$(BIN)/python -m eventing.contract.schemas docs
	$(BIN)/python -m config.step_types
	$(BIN)/python -m tests.support.steps_page
	$(BIN)/python -m tests.support.llms_text
	$(BIN)/python -m config.render

screenshots: $(VENV)/.installed-dev ## Take the pictures of the page in docs/images again, in a real Chromium
	$(BIN)/python -m tests.support.page_screenshots
	$(BIN)/python -m tests.support.page_pictures

docs: pages build/docs/.installed ## Write all generated pages, and build the documents as a site into build/site
	NO_MKDOCS_2_WARNING=1 build/docs/bin/mkdocs build --quiet
	@echo "open build/site/index.html"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
		{ echo "reelzero needs Python 3.11, 3.12 or 3.13; call: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# Bytecode is compiled at installation, since a first import without it takes three times as long.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing reelzero with torch, diffusers and kserve into $(VENV), once. On disk: about 2 GB with torch's CPU"
	@echo "build, several more with the CUDA build that pip takes on Linux. This takes 3 to 15 minutes."
	$(PIP) install --compile -c constraints.txt -e '.[predictor,standalone,steps]'
	touch $@

# For tests and CI every file is compared with its hash in the lock. The second step adds what the lock leaves out:
# reelzero itself, and torch, whose file depends on the device.
$(VENV)/.installed-dev: pyproject.toml constraints.txt requirements.lock | $(VENV)/bin/python
	$(PIP) install --compile --require-hashes --no-deps -r requirements.lock
	$(PIP) install --compile -c constraints.txt -e '.[predictor,standalone,steps,dev]'
	touch $@ $(VENV)/.installed

# The generator of the site has an environment of its own: nothing else needs it.
build/docs/.installed: docs/site/requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m venv build/docs
	build/docs/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes -r $<
	touch $@

lock: $(VENV)/.installed-dev ## Update all versions within the limits of pyproject.toml, and their hashes
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --disable-pip-version-check -e '.[predictor,standalone,steps,dev]'
	{ sed -n '/^#/p' constraints.txt; build/lock/bin/pip freeze --exclude-editable | sed 's/+cpu$$//'; } > build/lock/new
	mv build/lock/new constraints.txt && rm -rf build/lock
	$(MAKE) hashes

hashes: ## Write requirements.lock after a change of constraints.txt
	$(PIP) install uv
	$(BIN)/python -m config.lock

clean: ## Remove everything that was built, and the data of the one-machine edition
	rm -rf $(VENV) build dist .reelzero .mypy_cache .ruff_cache .pytest_cache
