# Everything starts here: `make run` for a first video, `make test` for all tests, `make check` for the linters.
# Needs Python 3.11 to 3.13, git and make; the rest comes from the lock.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROMPT ?= a red circle moving right

.PHONY: run test test-faults manifests-test conformance eval-model train check format lock clean

run: $(VENV)/.installed ## From a prompt to an MP4, on this machine
	$(BIN)/reelzero run "$(PROMPT)"

test: $(VENV)/.installed-dev ## All tests, on real parts
	$(BIN)/python -m pytest -n 2 --dist loadfile

ROUNDS := 20
SEED := 1

test-faults: $(VENV)/.installed-dev ## The fault suite: make test-faults ROUNDS=200 SEED=7
	$(BIN)/python -m tests.faults --rounds $(ROUNDS) --seed $(SEED)

manifests-test: $(VENV)/.installed-dev ## Chart, config and doctor against real schemas; also the images' install step
	REELZERO_TEST_IMAGES=1 $(BIN)/python -m pytest -rs tests/manifests tests/knative tests/integration/predictor/test_knative*.py

eval-model: $(VENV)/.installed-dev ## The model in the box on 300 prompts it never saw, judged by the checker
	$(BIN)/python -m training.evaluate

train: $(VENV)/.installed-dev ## Train the model in the box anew, from a seed; goes on where it was interrupted
	$(BIN)/python -m training.train --out build/shapes-tiny --seed 0

conformance: $(VENV)/.installed-dev ## Every client we know, in its own environment, against a real service
	$(BIN)/python -m tests.conformance.run

check: $(VENV)/.installed-dev ## Lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/unit/test_rules.py

format: $(VENV)/.installed-dev ## Format the code
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || \
		{ echo "reelzero needs Python 3.11, 3.12 or 3.13; call: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The lock is a constraints file: every version is pinned by it, extras decide what is installed.
# Bytecode is compiled at installation, since a first import without it takes three times as long.
$(VENV)/.installed: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --compile -c requirements.lock -e '.[predictor,standalone]'
	touch $@

$(VENV)/.installed-dev: pyproject.toml requirements.lock | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --compile -c requirements.lock -e '.[predictor,standalone,dev]'
	touch $@ $(VENV)/.installed

lock: ## Resolve anew, within what pyproject.toml allows
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --disable-pip-version-check -e '.[predictor,standalone,dev]'
	{ sed -n '/^#/p' requirements.lock; build/lock/bin/pip freeze --exclude-editable | sed 's/+cpu$$//'; } > build/lock/new
	mv build/lock/new requirements.lock && rm -rf build/lock

clean: ## Remove what was built and the one-machine data
	rm -rf $(VENV) build dist .reelzero .mypy_cache .ruff_cache .pytest_cache
