# `make` lists the targets. What is slow is kept: builds in target/, tools in the cache of the user.
# Recipes run in bash and stop at the first failure, in pipelines and lists too.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# One cargo at a time: all of them want the same target folder.
.NOTPARALLEL:

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))

# Where the demo, the tests and the benchmark find what is built here.
export PROCGATE_WASM := $(TARGET)/wasm/procgate.wasm
export PROCGATE_WASM_CRASH := $(TARGET)/wasm/procgate-crash.wasm
export PROCGATE_SHIM := $(TARGET)/shim/procgate-shim
export PROCGATE_CLI := $(TARGET)/release/procgate
export PROCGATE_OCI := $(TARGET)/oci
NOOP := $(TARGET)/wasm/noop.wasm

# A recipe that begins with this knows Envoy, or the programs that the tests use, and ends if they are
# not to be had. An assignment of its own: `export A=$(b)` forgets that b failed.
ENVOY := PROCGATE_ENVOY=$$(scripts/install-envoy); export PROCGATE_ENVOY
# Of what cannot be had nothing is found, and `export` alone would print the whole environment.
EXPORT := [ -z "$$found" ] || export $$found
INTEROP := found=$$(scripts/install-interop); $(EXPORT)
CLIENTS := found=$$(scripts/install-clients | sed 's/^[^=]*/PROCGATE_CLIENT_\U&/'); $(EXPORT)
ISTIO := found=$$(scripts/install-istio); $(EXPORT)

# Which tests are end to end stands in their file's name. The whole workspace is named every time: with
# fewer packages cargo would choose fewer features, and build the same things again.
TEST := cargo test --locked --workspace
UNIT := --lib --bins --test '[!e]*' --test 'e[!2]*'
E2E := --test 'e2e*'

.PHONY: help demo demo-docker test stages test-unit test-wasm test-e2e test-docker test-istio test-aarch64 soak fuzz \
  sanitize lint fmt wasm wasm-crash wasm-noop shim cli oci man bench clean

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 14

demo: wasm shim cli ## show procgate at work, with a real Envoy
	@$(ENVOY)
	cargo run -q --locked -p procgate-tests --bin demo

demo-docker: wasm shim cli ## the same in containers, with docker compose
	@scripts/with-docker demo/run.sh

STAGES := lint test-unit test-wasm test-e2e test-istio test-docker fuzz sanitize
test: $(STAGES) ## everything that CI checks

# .ci/run runs them one by one, to say how long each took.
stages:
	@echo $(STAGES)

test-unit: ## unit tests, integration tests without Envoy, and the examples in the documentation
	@$(INTEROP)
	set -x
	$(TEST) $(UNIT)
	$(TEST) --doc

test-wasm: ## the core's tests inside wasm32, in Node
	@scripts/wasm-test

test-e2e: wasm wasm-crash shim cli ## tests with a real Envoy and real clients under the shim
	@$(ENVOY)
	$(CLIENTS)
	set -x
	$(TEST) $(E2E)

test-docker: wasm shim cli ## tests with real containers, under an engine's own restrictions
	@scripts/with-docker --or-skip python3 -m unittest discover --verbose tests/docker

# The first time it builds Istio and Kubernetes, for ten minutes. In test-e2e, which has neither, e2e_istio passes by.
test-istio: oci wasm-crash cli ## the manifests under Istio's own control plane, node agent and certificates
	@$(ENVOY)
	$(CLIENTS)
	$(ISTIO)
	set -x
	$(TEST) --test e2e_istio

# Not in `make test`: it builds the shim and its tests for another machine first.
test-aarch64: ## the shim's tests on an aarch64 kernel, in an emulated machine
	@scripts/test-aarch64

soak: wasm wasm-crash shim cli ## connections by the million, for some four hours
	@$(ENVOY)
	export PROCGATE_SOAK=1
	set -x
	$(TEST) --test e2e_load -- --nocapture

fuzz: ## fuzz targets, each for so long: make fuzz SECONDS=60 TARGETS="token judge"
	@scripts/fuzz $(or $(SECONDS),10) $(TARGETS)

# Where memory is handled by hand is the shim's sys/, which needs the kernel: so its tests run the shim as a program, too.
# The others show what their libraries do. The stable compiler comes with the sanitizer, and RUSTC_BOOTSTRAP lets it use
# it. Miri is in no released compiler.
SANITIZED := -p procgate-identity -p procgate-policy -p procgate-shim
sanitize: ## the core's and the shim's tests under the address sanitizer
	@export RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address
	set -x
	cargo test --locked --target $$(rustc -vV | sed -n 's/^host: //p') --target-dir $(TARGET)/sanitize $(SANITIZED) --tests

lint: ## format, clippy, dependencies, spelling
	@deny=$$(scripts/install-cargo cargo-deny 0.20.2 --locked)
	typos=$$(scripts/install-python typos-1.52.0 typos==1.52.0)
	set -x
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	"$$deny/cargo-deny" --locked check bans licenses sources
	"$${typos%/*}/typos"

fmt: ## format the code
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml

wasm: ## the filter: target/wasm/procgate.wasm
	@scripts/wasm-build procgate-filter procgate --exports filter/exports.json --max-size 350000 \
	  --max-function 7000

wasm-crash: # the filter, with a way to make it crash
	@scripts/wasm-build procgate-filter procgate-crash --exports filter/exports.json --features crash-for-tests

wasm-noop: # the plugin that does nothing, for the benchmark
	@scripts/wasm-build procgate-bench-noop noop

shim: ## the shim, static: target/shim/procgate-shim
	@scripts/shim-build

cli: ## the command: target/release/procgate
	@scripts/cli-build

oci: wasm shim ## the plugin's and the shim's images, in target/oci: make oci REGISTRY=registry.example/team pushes them
	@scripts/oci $(REGISTRY)

man: ## the manual pages: target/man/*.1
	@mkdir -p $(TARGET)/man
	cargo run -q --locked -p procgate-cli -- man --out $(TARGET)/man
	cargo run -q --locked -p procgate-shim --example man -- $(TARGET)/man

# `make bench ALSO=old.wasm` measures another build of the filter in the same run.
bench: wasm wasm-noop shim ## what procgate costs, into bench/results.json
	@$(ENVOY)
	cargo run --release --locked -p procgate-bench -- --envoy "$$PROCGATE_ENVOY" --wasm "$$PROCGATE_WASM" \
	  --noop $(NOOP) --shim "$$PROCGATE_SHIM" --json bench/results.json $(ALSO:%=--also %)

clean: ## remove what was built; installed tools stay
	cargo clean
