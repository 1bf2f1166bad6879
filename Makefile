# Everything a person runs. `make help` lists it.
SHELL := bash
.DEFAULT_GOAL := help
PORT ?= 7071
DATA ?=
N ?= 1000
M ?= 1000
BIN := .venv/bin

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

.venv/.installed: requirements.txt requirements-dev.txt pyproject.toml package-lock.json .npmrc
	python3.13 -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/npm ci --silent --no-progress
	touch $@

install: .venv/.installed ## virtual environment, Node and Azurite

serve: install ## Azurite and the local host in the foreground [PORT=7071] [DATA=dir]
	@exec $(BIN)/scimgw serve --port $(PORT) $(if $(DATA),--data "$(DATA)")

demo: install ## a Microsoft Entra style provisioning cycle, from nothing
	@$(BIN)/scimgw demo

test: install ## every test
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: install ## formatting, lint, types, import rules, spelling, Bicep
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell
	$(MAKE) --no-print-directory infra-check

bench: install ## the gateway beside scim2-server in memory [N=1000 users] [M=1000 members]
	$(BIN)/python -m bench.compare --users $(N) --members $(M)

bench-cost: install ## table requests and CPU of each operation, and their growth
	$(BIN)/python -m bench.cost

.venv-checkov/.installed: requirements-checkov.txt
	python3.13 -m venv .venv-checkov
	.venv-checkov/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-checkov.txt
	touch $@

infra-check: install .venv-checkov/.installed ## the Bicep templates, without Azure
	$(BIN)/python -m pytest -q tests/infra
	.venv-checkov/bin/checkov --config-file infra/.checkov.yaml -d infra

lock: install ## compile requirements*.txt from requirements*.in
	$(BIN)/pip-compile -q --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements.txt requirements.in
	$(BIN)/pip-compile -q --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements-dev.txt requirements-dev.in

clean: ## remove what install made
	rm -rf .venv .venv-checkov node_modules

.PHONY: help install bench bench-cost serve demo test check infra-check lock clean
