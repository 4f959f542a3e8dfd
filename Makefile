# `make help` lists the goals. Each pipeline goal builds the programs, expands the experiments into runs, and passes the
# runs to pipelines/rules.mk. Only changed runs are rerun: `make why-RUN` gives the reason.
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
EXPERIMENT ?=
PREFIX ?=

NOTHING :=
SPACE := $(NOTHING) $(NOTHING)
HASH := \#
R := $(RUNS)/$(SCALE)
# DATASET is the name of a file in pipelines/datasets or a path ending in .toml.
DATA := $(basename $(notdir $(DATASET)))
BIN ?= target/release
BUILD ?= cargo build --release --locked --workspace --bins
# An experiment with `alone = true`, planned only on request.
WITH ?=
PLAN = $(BIN)/randlab-plan --scale "$(SCALE)" --dataset "$(DATASET)" $(if $(SEEDS),--seeds "$(SEEDS)") $(if $(WITH),--with "$(WITH)") --out "$(R)"

# What may be set on the command line. The environment may hold anything.
VARIABLES := SCALE DATASET SEEDS RUNS JOBS CONFIRM NETS BATCH THREADS PEERS STOCK PYTHON ROUNDS BUDGET RUN IMAGE EXPERIMENT PREFIX A B \
  LAUNCH BIN BUILD WITH PEERS_TARGET RAYON_NUM_THREADS SHELL MAKEFLAGS
FOREIGN := $(strip $(foreach v,$(filter-out $(VARIABLES),$(.VARIABLES)),$(if $(filter command,$(origin $(v))),$(v))))
# Characters in names of files and folders that make or the shell would take for something else.
AWKWARD := : = ~ % ; | & < > * ? [ ] ( ) { } ' " ` \ $$ $(HASH)
quoted = '$(subst ','\'',$(1))'
awkward = $(strip $(foreach c,$(AWKWARD),$(if $(findstring $(c),$(value $(1))),$(c))) $(if $(filter-out 0 1,$(words $(value $(1)))),space))
REFUSED := $(firstword $(foreach v,$(FOREIGN),unknown) $(foreach v,RUNS SCALE DATASET,$(if $(call awkward,$(v)),$(v))))

# Goals of this file. Every other goal is a stage or an experiment, which randlab-plan knows.
OWN := help all smoke rerun status list dag trace compare verify data-cifar10 check check-unsafe test bench bench-peers bench-scaling completions clean \
  clean-runs distclean
PLANNED := $(filter-out $(OWN) why-% target/%,$(MAKECMDGOALS))

# With the leading +, `make -n` also builds and plans, so that its list is exact. Without -j there are as many jobs as cores;
# each run uses one thread, so that parallel runs use all cores.
define pipeline
+@$(BUILD)
+@$(PLAN) $(2)
+@$(MAKE) $(if $(filter -j% j%,$(MAKEFLAGS)),,-j$(JOBS)) -f pipelines/rules.mk R=$(R) DATA=$(DATA) BIN=$(BIN) $(1)
endef

# Goals run one after the other, each with all jobs, because they plan into the same folder.
.NOTPARALLEL:
.PHONY: $(OWN) $(PLANNED)

ifneq ($(REFUSED),)
.PHONY: $(MAKECMDGOALS)
$(or $(MAKECMDGOALS),help): refused
.PHONY: refused
refused:
ifeq ($(REFUSED),unknown)
	@near=$$(pipelines/nearest $(call quoted,$(firstword $(FOREIGN))) $(VARIABLES)); \
	echo "make: error: "$(call quoted,$(firstword $(FOREIGN)))": unknown variable$${near:+; did you mean $$near?}" >&2; exit 2
else
	@printf 'make: error: %s=%s: contains "%s", which make cannot handle in a name; choose another name\n' \
	  $(REFUSED) $(call quoted,$(value $(REFUSED))) $(call quoted,$(firstword $(call awkward,$(REFUSED)))) >&2; exit 2
endif
else

help: ## this list
	@grep -hE '^[a-z0-9-]+(-%)?:.*## |^## ' $(MAKEFILE_LIST) | sed -E 's/^## /\t/; s/:.*## /\t/' | expand -t 16
	@echo
	@echo "Settings: SCALE=smoke|laptop|paper (now $(SCALE))  DATASET=$(subst $(SPACE),|,$(sort $(basename $(notdir $(wildcard pipelines/datasets/*.toml)))))|FILE.toml"
	@echo "          SEEDS=\"0-3 7\"  RUNS=folder  -jN  LAUNCH=\"command put before each run\""

all: ## all runs, figures and verdicts; prints the path of the page
	$(call pipeline,goal-all,)

smoke: ## the whole pipeline with tiny nets: seconds once built
	@$(MAKE) all SCALE=smoke

## make prepare|pretrain|finetune|align|report: all runs of a stage and what they need
## make alignment|synthetic|transfer|...: one experiment with its own page
ifneq ($(PLANNED),)
$(PLANNED):
	$(call pipeline,goal-$@,--goal "$@" --goals "$(OWN)")
endif

rerun: ## move a run aside and rerun it: make rerun RUN=STAGE/NAME
	@[[ "$(RUN)" =~ ^[^/]+/[^/]+$$ && -d "$(R)/$(RUN)" && -f "$(R)/plan/$(RUN).toml" ]] || \
	  { echo "make: error: RUN=$(RUN): no such run in $(R); want STAGE/NAME, see make list" >&2; exit 2; }
	@mkdir -p "$(R)/old/$(dir $(RUN))" && mv "$(R)/$(RUN)" "$(R)/old/$(RUN).$$(date +%Y%m%d-%H%M%S)"
	$(call pipeline,$(R)/$(RUN)/run.json,)

status: ## how many runs are done, running, partial, stale and missing
	@$(BUILD) --quiet
	@$(PLAN) --status

list: ## every run with its state: make list PREFIX=alignment.photos
	@$(BUILD) --quiet
	@$(PLAN) --list $(PREFIX)

why-%: ## why a run, or the runs whose names begin so, would be rerun
	@$(BUILD) --quiet
	@$(PLAN) --why "$*"

trace: ## trace one image through a training run: make trace RUN=NAME IMAGE=17
	@test -n "$(RUN)" -a -n "$(IMAGE)" || { echo "make: error: say which run and image: make trace RUN=NAME IMAGE=17" >&2; exit 2; }
	@$(BUILD) --quiet
	@$(PLAN) --trace "$(RUN)" "$(IMAGE)"

compare: ## which values differ between two folders of runs: make compare A=runs/smoke B=/elsewhere/runs/smoke
	@test -n "$(A)" -a -n "$(B)" || { echo "make: error: say which folders: make compare A=runs/smoke B=/elsewhere/runs/smoke" >&2; exit 2; }
	@$(BUILD) --quiet
	@$(BIN)/randlab-compare "$(A)" "$(B)"

verify: ## compare every file of every run with its manifest; the next make reruns damaged runs
	@$(BUILD) --quiet
	@$(BIN)/randlab-verify "$(R)"

dag: ## the stages as a Mermaid graph, or one experiment: make dag EXPERIMENT=alignment
	@$(BUILD) --quiet
	@$(PLAN) --dag $(EXPERIMENT)

CIFAR10 := data/raw/cifar-10-binary.tar.gz
data-cifar10: ## fetch CIFAR-10
	@pipelines/fetch-cifar10 $(CIFAR10)

check: ## formatting, lints, documentation; licences if cargo-deny is installed
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps --workspace --lib
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; else echo "cargo-deny is not here: licences not checked"; fi

test: ## all tests, including the pipeline at scale smoke
	cargo test --release --locked --workspace

check-unsafe: ## tests of the kernels under valgrind, AddressSanitizer and Miri, as far as installed
	@tests/check-unsafe

bench: ## time of a training step of each net
	cargo bench --locked --workspace --bench step

# A separate workspace, so that other goals neither compile burn nor install PyTorch.
PEERS_TARGET := target/peers
PEERS_BUILD = cargo build --release --locked --manifest-path tests/peers/Cargo.toml --target-dir $(PEERS_TARGET) $(if $(STOCK),--no-default-features)
PEERS_RUN := $(PEERS_TARGET)/release/randlab-peers
SIZES = $(if $(THREADS),--threads "$(THREADS)") --rounds $(ROUNDS) --seconds $(BUDGET) --out $(RUNS)/bench

bench-peers: $(if $(PYTHON),,target/peers-venv/installed) ## training steps compared with PyTorch, burn and candle: NETS="S2 vgg16" BATCH=128 THREADS=2 ROUNDS=7 PEERS="pytorch candle"; STOCK=1: burn and candle without AVX-512
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
	@for program in plan compare verify $$($(BIN)/randlab-plan --stages); do for shell in bash zsh fish; do \
	  $(BIN)/randlab-$$program completions $$shell > target/completions/randlab-$$program.$$shell; done; done

clean: ## remove build output
	cargo clean

clean-runs: ## remove all runs of this scale: CONFIRM=1
	@test "$(CONFIRM)" = 1 || { echo "make: error: this removes $(R); say CONFIRM=1" >&2; exit 2; }
	rm -rf $(R)

distclean: ## remove everything git ignores, runs and downloads included: CONFIRM=1
	@test "$(CONFIRM)" = 1 || { echo "make: error: this removes target, $(RUNS) and data/raw; say CONFIRM=1" >&2; exit 2; }
	rm -rf target $(RUNS) data/raw

endif
