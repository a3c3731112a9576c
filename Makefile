# The verbs of the project; what continuous integration runs is these. Each works on a fresh machine with a Rust toolchain.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GUEST_TARGET := wasm32-wasip2
GUESTS := --manifest-path guests/Cargo.toml --target $(GUEST_TARGET)

.PHONY: help run test stress sim verdicts guests bench fuzz check toolchain host languages languages-present foreign tools database

help: ## these lines
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1 — \2/p' $(MAKEFILE_LIST)

run: guests host languages-present ## build everything and serve guests/services on http://127.0.0.1:8080
	target/debug/holdfast serve --plugins target/plugins --config guests/services/holdfast.toml --data data

test: guests host languages foreign database ## all tests, scaled down where they count to thousands
	HOLDFAST_BIN=$(CURDIR)/target/debug/holdfast cargo test --workspace

stress: guests host languages foreign database ## the same tests at full counts
	HOLDFAST_SCALE=full HOLDFAST_BIN=$(CURDIR)/target/debug/holdfast cargo test --workspace

sim: toolchain ## play seeds of the simulator: all of SEEDS=1000 from FIRST=1 on, or the whole story of one, SEED=n (THREADS=n)
	cargo run --package holdfast-simulator --bin sim -- $(if $(SEED),--seed $(SEED) --trace,--seeds $(or $(SEEDS),1000) --first $(or $(FIRST),1)) $(if $(THREADS),--threads $(THREADS))

verdicts: guests host ## break everything that can break, and print which boundary was named for it
	HOLDFAST_BIN=$(CURDIR)/target/debug/holdfast cargo test --workspace --test all verdicts -- --nocapture

guests: host ## build the services and the cases to WebAssembly
	cargo build --release $(GUESTS)
	guests/publish.sh

# The services that are not in Rust, through `holdfast build`, as an author builds them. What is built already and did not change stays.
languages: tools host
	guests/languages.sh js python

# The same for those languages alone whose tools are here: whoever only wants to see the host run needs no Node.js and no Python.
languages-present: host
	guests/languages.sh --present js python

# The cases in C and Go, by compilers that know only the old WASI.
foreign: tools
	guests/foreign/build.sh

bench: toolchain languages ## side by side with wasmtime serve and the bare ceiling, and on bad days
	tests/bench/run.sh

fuzz: toolchain ## try every parser of outside bytes with made-up inputs (SECONDS_EACH=60, TARGETS="policy routes")
	tests/fuzz/run.sh $(TARGETS)

check: toolchain ## formatting, lints and structure
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo fmt --manifest-path guests/Cargo.toml --all --check
	cargo clippy --release $(GUESTS) -- -D warnings
	cargo fmt --manifest-path tests/bench/Cargo.toml --check
	cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
	cargo metadata --locked --format-version 1 --manifest-path tests/fuzz/Cargo.toml >/dev/null
	rustfmt --check --edition 2024 $$(find host/rules/src -name '*.rs')

# The whole workspace, as the tests build it: one selection of packages means one set of features, so that the engine is compiled once.
host: toolchain
	cargo build --workspace

# Rust's own compiler for the guests' target, and a linker: the two things a fresh machine may lack.
toolchain:
	@command -v cc >/dev/null || { apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev; }
	@test -d "$$(rustc --print sysroot)/lib/rustlib/$(GUEST_TARGET)" || rustup target add $(GUEST_TARGET)

# The PostgreSQL server, of which the tests start their own: the one that is on the machine, or Debian's.
database:
	@command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || { apt-get update && apt-get install --yes --no-install-recommends postgresql; }

# What `holdfast build` needs for the other languages; their packages it fetches itself, into the project.
tools: toolchain
	@command -v node >/dev/null && command -v npm >/dev/null || { apt-get update && apt-get install --yes --no-install-recommends nodejs npm; }
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv; }
