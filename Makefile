# Every command does its own set-up first (scripts/setup: virtual environment, packages, database engine), once.
# In the conda environment of environment.yml that environment is used as it is.

SETUP := scripts/setup
ENGINE ?=
ARGS ?=
# nbval runs notebooks in a process of its own (tests/test_notebooks.py); loaded here it costs each worker three seconds.
PYTEST := pytest -p no:nbval -n 3 --dist loadgroup

.DEFAULT_GOAL := help
.PHONY: help rehearse test test-thorough test-release test-browser lab lint format setup pictures lowest constraints clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

rehearse: ## the whole incident on this machine: wipe, restore, proof (ENGINE=mysql or mariadb picks the server)
	@$(SETUP) --engine runbook rehearse $(if $(ENGINE),--engine $(ENGINE)) $(ARGS)

test: ## the tests, on every database engine found (ARGS="-k words" picks some)
	@$(SETUP) --engine $(PYTEST) $(ARGS)

test-thorough: ## what takes longer: every kill, every second, every answer lost, every notebook under its own policy
	@$(SETUP) --engine $(PYTEST) -m "thorough and not release" $(ARGS)

test-release: ## before a release: everything at full length, on every engine (an hour)
	@$(SETUP) --engine $(PYTEST) -m release $(ARGS)

test-browser: ## JupyterLab in a real browser, from the index to the finished record (pictures: browser-pictures/)
	@$(SETUP) --engine --browser pytest -m browser $(ARGS)

lab: ## JupyterLab on the notebooks
	@$(SETUP) $(if $(findstring --rehearsal,$(ARGS)),--engine) runbook lab $(ARGS)

lint: ## style, types, import layers, and that the notebooks hold no output
	@$(SETUP) scripts/lint

format: ## put the code into the one style
	@$(SETUP) ruff format .

setup: ## only the set-up
	@$(SETUP) --engine

pictures: ## the README's pictures, from a real rehearsal
	@$(SETUP) --engine python scripts/pictures $(ARGS)

lowest: ## the tests' core with the lowest versions that pyproject.toml allows
	@scripts/lowest $(ARGS)

constraints: ## pin every package anew in constraints.txt, at the newest versions that fit pyproject.toml
	@scripts/pin

clean: ## remove what set-up and tests made here; the records of runs stay
	rm -rf .venv .engine build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
