# The README's commands. Everything a command needs, it installs first.
PYTHON := /usr/bin/python3
VENV   := .venv
RUN    := $(VENV)/bin
LABS   := 2
SOURCE := $(shell find agents policy cib_templates cli -type f -not -path '*/__pycache__/*')

.DEFAULT_GOAL := help
.PHONY: help packages tools install check test demo shell lab-full bench docs clean

help: ## say what there is
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

packages: ## what Debian has to bring for the cluster, its servers and its clients
	@tests/lab/packages

tools:
	@tests/lab/packages check

# Says what a command said only if it fails: a Python that is interrupted leaves a traceback, and then so is this shell.
quietly = @said=$$($(1) 2>&1) || { echo "$$said" >&2; exit 1; }
PIP := $(RUN)/pip install -qq --disable-pip-version-check

$(VENV)/dependencies: setup.cfg pyproject.toml
	@echo "Making a virtual environment in $(VENV)"
	$(call quietly,$(PYTHON) -m venv $(VENV))
	$(call quietly,$(PIP) setuptools wheel)
	$(call quietly,$(PIP) --no-build-isolation '.[dev]')
	@touch $@

# Tests and the lab use vsctl as users do: installed, not from the checkout.
$(VENV)/installed: $(VENV)/dependencies $(SOURCE)
	@rm -rf build/lib build/bdist.*
	$(call quietly,$(PIP) --no-build-isolation --no-deps --force-reinstall .)
	@touch $@

install: packages $(VENV)/installed ## the command and its tools in .venv

check: tools $(VENV)/installed ## ruff, mypy, units and stories: no root, no cluster
	$(RUN)/ruff check .
	$(RUN)/mypy -p vsctl.agents -p vsctl.policy -p vsctl.cib_templates -p vsctl.cli # as installed: only there are the folders the package that imports name
	$(RUN)/pytest -q -n auto -m 'not slow and not full' tests/unit tests/cli tests/stories

test: install ## all tests, on a real cluster (root)
	$(RUN)/pytest -q -n 4 --dist worksteal -m 'not lab and not full' # some compute, others wait: more of them than processors
	$(RUN)/pytest -q -n $(LABS) --dist loadfile --no-loadscope-reorder -m 'lab and not full' # a lab and a piece (tests/turns.py) each

lab-full: install ## the long series (root)
	$(RUN)/python -m tests.lab.guest
	$(RUN)/pytest -m 'lab or node or full'

demo: install ## the main job, told as it happens (root)
	@$(RUN)/python -m tests.lab.demo

shell: install ## the demo's cluster, left up, and a shell in it (root)
	@$(RUN)/python -m tests.lab.demo --shell

bench: install ## measurements against stock agents (root)
	$(RUN)/python -m tests.bench

docs: $(VENV)/installed ## the man pages, in build/man
	$(RUN)/python -m vsctl.cli.manual build/man

clean: ## forget the virtual environment and everything built
	rm -rf $(VENV) build *.egg-info
