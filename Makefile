# One word per thing a person wants to do. Each target installs what it needs (see scripts/need).
# Everything here runs from the folder of this file; a test run leaves its files in .build and out/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test bench bench-peers fuzz interop interop-multicast interop-signatures lint docs tcp-tables tcp-beside-linux mutate capi clean

SEED ?= 42
FUZZ_SECONDS ?= 30

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## run a small network in virtual time, twice, and compare; then television over groups (no root)
	@scripts/need swift
	@SEED=$(SEED) scripts/demo

test: ## all that CI runs: lint, unit, property and lab tests, determinism, kernel interop
	@scripts/need swift
	@scripts/test

bench: ## measure; JSON lines and a table under out/bench
	@scripts/need swift
	@scripts/optional Benchmarks/run

bench-peers: ## build the peers we compare with and measure them in the same run
	@scripts/need swift build-essential
	@scripts/optional Benchmarks/peers/run

fuzz: ## each fuzz target for FUZZ_SECONDS (30) under the address sanitizer
	@scripts/need swift
	@scripts/optional Fuzz/run $(FUZZ_SECONDS)

interop: ## against a Linux kernel in network namespaces (root)
	@scripts/need swift
	@scripts/interop

interop-multicast: ## groups alone, against every querier, also the slow ones (root)
	@scripts/need swift
	@scripts/interop multicast

interop-signatures: ## signed TCP segments and a kernel that signs, in a build of its own with swift-crypto (root)
	@scripts/need swift
	@scripts/interop-signatures

lint: ## formatting and documentation rules; changes nothing
	@scripts/need swift
	@scripts/lint

docs: ## build the DocC pages into out/docs
	@scripts/need swift
	@scripts/docs

tcp-tables: ## measure the congestion controls in the lab again: docs/tcp-lab/*.tsv and *.svg
	@scripts/need swift
	swift run -c release chimney lab tables --output docs/tcp-lab

tcp-beside-linux: ## measure Linux's and our own senders over one path in real time: docs/tcp-lab/beside-linux (root, 20 minutes)
	@scripts/need swift build-essential ip ethtool python3 ping
	@scripts/tcp-beside-linux

mutate: ## break each line of Tests/mutations.tsv and see a test fail
	@scripts/need swift
	@scripts/mutate

capi: ## the C API as a shared library, with its header and runtime, into out/capi
	@scripts/need swift build-essential
	@scripts/capi release

clean: ## remove what the other targets left
	rm -rf .build .build-* out
