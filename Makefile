# Goals are listed by `make help`.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --warn-undefined-variables

.PHONY: help check test clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

check: ## formatting and lints, cheapest first
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

test: ## every test
	cargo test --release --locked --workspace

clean: ## remove what was built
	cargo clean
