# Goals are listed by `make help`. Each pipeline goal builds the programs, expands the experiments into runs, and hands the
# runs to pipelines/rules.mk; nothing is made twice, see `make why-RUN`.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --warn-undefined-variables --no-print-directory

SCALE ?= laptop
DATASET ?= photos
SEEDS ?=
RUNS ?= runs
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
CONFIRM ?=
NETS ?=
BATCH ?=
THREADS ?=
PEERS ?=
STOCK ?=
PYTHON ?=
ROUNDS ?= 7
BUDGET ?= 60
RUN ?=
IMAGE ?=
A ?=
B ?=

NOTHING :=
SPACE := $(NOTHING) $(NOTHING)
R := $(RUNS)/$(SCALE)
# A dataset is the name of a file in pipelines/datasets or a path ending in .toml.
DATA := $(basename $(notdir $(DATASET)))
EXPERIMENTS := $(sort $(basename $(notdir $(wildcard pipelines/experiments/*.toml))))
STAGES := prepare pretrain finetune align report
BIN ?= target/release
BUILD ?= cargo build --release --locked --workspace --bins
# An experiment outside `all`, which is planned only when asked for.
WITH ?=
PLAN = $(BIN)/randlab-plan --scale "$(SCALE)" --dataset "$(DATASET)" $(if $(SEEDS),--seeds $(SEEDS)) $(if $(WITH),--with "$(WITH)") --out "$(R)"

# The leading + makes `make -n` build and plan too, so that what it then lists is exact. Without -j on the command line
# there are as many jobs as cores; every run works on one thread, so that side by side they use all of them.
define pipeline
+@$(BUILD)
+@$(PLAN)
+@$(MAKE) $(if $(filter -j% j%,$(MAKEFLAGS)),,-j$(JOBS)) -f pipelines/rules.mk R=$(R) DATA=$(DATA) BIN=$(BIN) $(1)
endef

# Several goals one after the other, each with all jobs: they plan into the same folder.
.NOTPARALLEL:
.PHONY: help all smoke $(STAGES) $(EXPERIMENTS) rerun status dag trace compare verify data-cifar10 check check-unsafe test bench bench-peers bench-scaling completions clean clean-runs distclean

help: ## this list
	@grep -hE '^[a-z0-9-]+(-%)?:.*## |^## ' $(MAKEFILE_LIST) | sed -E 's/^## /\t/; s/:.*## /\t/' | expand -t 16
	@echo
	@echo "Settings: SCALE=smoke|laptop|paper (now $(SCALE))  DATASET=$(subst $(SPACE),|,$(sort $(basename $(notdir $(wildcard pipelines/datasets/*.toml)))))|FILE.toml"
	@echo "          SEEDS=\"0 1 2\"  RUNS=folder  -jN  LAUNCH=\"command put before each run\""

all: ## everything: runs, figures, verdicts; the page is RUNS/SCALE/report/DATASET/report.html
	$(call pipeline,report)
	@echo "$(R)/report/$(DATA)/report.html"

smoke: ## the same in a minute, to see that it works
	@$(MAKE) all SCALE=smoke

## make prepare|pretrain|finetune|align|report: all runs of a stage and what they need
$(STAGES):
	$(call pipeline,$@)

## make alignment|synthetic|transfer|...: one experiment with its own page
$(EXPERIMENTS): WITH = $@
$(EXPERIMENTS):
	$(call pipeline,$(R)/report/$(DATA).$@/run.json)
	@echo "$(R)/report/$(DATA).$@/report.html"

rerun: ## move a run aside and make it again: make rerun RUN=STAGE/NAME
	@[[ "$(RUN)" =~ ^($(subst $(SPACE),|,$(STAGES)))/[^/]+$$ && -d "$(R)/$(RUN)" ]] || \
	  { echo "make: error: RUN=$(RUN): no such run in $(R); want STAGE/NAME" >&2; exit 2; }
	@mkdir -p "$(R)/old/$(dir $(RUN))" && mv "$(R)/$(RUN)" "$(R)/old/$(RUN).$$(date +%Y%m%d-%H%M%S)"
	$(call pipeline,$(R)/$(RUN)/run.json)

status: ## how many runs are done, partial, stale and missing
	@$(BUILD) --quiet
	@$(PLAN) --status

why-%: ## why the runs of a name would be made again
	@$(BUILD) --quiet
	@$(PLAN) --why $*

trace: ## the way of one image through a training run: make trace RUN=NAME IMAGE=17
	@test -n "$(RUN)" -a -n "$(IMAGE)" || { echo "make: error: say which run and image: make trace RUN=NAME IMAGE=17" >&2; exit 2; }
	@$(BUILD) --quiet
	@$(PLAN) --trace "$(RUN)" "$(IMAGE)"

compare: ## which values differ between two folders of runs: make compare A=runs/smoke B=/elsewhere/runs/smoke
	@test -n "$(A)" -a -n "$(B)" || { echo "make: error: say which folders: make compare A=runs/smoke B=/elsewhere/runs/smoke" >&2; exit 2; }
	@$(BUILD) --quiet
	@$(BIN)/randlab-compare "$(A)" "$(B)"

verify: ## every file of every run against its manifest; make then makes damaged runs again
	@$(BUILD) --quiet
	@$(BIN)/randlab-verify "$(R)"

dag: ## the stages and what flows between them, as a Mermaid graph
	@$(BUILD) --quiet
	@$(PLAN) --dag

CIFAR10 := data/raw/cifar-10-binary.tar.gz
data-cifar10: ## fetch CIFAR-10
	@pipelines/fetch-cifar10 $(CIFAR10)

check: ## formatting, lints, documentation and, where cargo-deny is there, licences
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps --workspace --lib
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; else echo "cargo-deny is not here: licences not checked"; fi

test: ## every test, and the whole pipeline at scale smoke
	cargo test --release --locked --workspace

check-unsafe: ## tests of the kernels under valgrind, AddressSanitizer and Miri, as far as they are here
	@tests/check-unsafe

bench: ## time of a training step of each net
	cargo bench --locked --workspace --bench step

# A workspace of its own, so that nobody else compiles burn or installs PyTorch.
PEERS_TARGET := target/peers
PEERS_BUILD = cargo build --release --locked --manifest-path tests/peers/Cargo.toml --target-dir $(PEERS_TARGET) $(if $(STOCK),--no-default-features)
PEERS_RUN := $(PEERS_TARGET)/release/randlab-peers
SIZES = $(if $(THREADS),--threads "$(THREADS)") --rounds $(ROUNDS) --seconds $(BUDGET) --out $(RUNS)/bench

bench-peers: $(if $(PYTHON),,target/peers-venv/installed) ## training steps beside PyTorch, burn and candle: NETS="S2 vgg16" BATCH=128 THREADS=2 ROUNDS=7 PEERS="pytorch candle"; STOCK=1: burn and candle without AVX-512
	@$(PEERS_BUILD)
	@$(PEERS_RUN) compare $(if $(NETS),--nets "$(NETS)") $(if $(BATCH),--batch "$(BATCH)") $(if $(PEERS),--peers "$(PEERS)") \
	  --python $(or $(PYTHON),target/peers-venv/bin/python) --script tests/peers/torch_step.py $(SIZES)

bench-scaling: ## how time and memory grow with batch, width, images and patches: THREADS ROUNDS
	@$(PEERS_BUILD)
	@$(PEERS_RUN) scale $(SIZES)

target/peers-venv/installed: tests/peers/requirements.txt
	python3 -m venv --clear target/peers-venv
	target/peers-venv/bin/pip install --quiet --requirement $<
	@touch $@

completions: ## shell completions into target/completions
	@$(BUILD) --quiet
	@mkdir -p target/completions
	@for program in plan compare verify $(STAGES); do for shell in bash zsh fish; do \
	  $(BIN)/randlab-$$program completions $$shell > target/completions/randlab-$$program.$$shell; done; done

clean: ## remove what was built
	cargo clean

clean-runs: ## remove all runs of this scale: CONFIRM=1
	@test "$(CONFIRM)" = 1 || { echo "make: error: this removes $(R); say CONFIRM=1" >&2; exit 2; }
	rm -rf $(R)

distclean: ## remove everything git ignores, runs and downloads included: CONFIRM=1
	@test "$(CONFIRM)" = 1 || { echo "make: error: this removes target, $(RUNS) and data/raw; say CONFIRM=1" >&2; exit 2; }
	rm -rf target $(RUNS) data/raw
