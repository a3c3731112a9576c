#!/usr/bin/env bash
# Puts the built guests where the host and the tests look for them: services to target/plugins, cases to target/guests.
# A file is replaced only when it changed, and by a rename, so that a running host never sees half of one.
set -euo pipefail
cd "$(dirname "$0")"

built=target/wasm32-wasip2/release

put() { # from, to
    if cmp -s "$1" "$2"; then return; fi
    cp "$1" "$2.new"
    mv "$2.new" "$2"
    echo "built $2"
}

mkdir -p ../target/plugins ../target/guests
for service in services/*/Cargo.toml; do
    name=$(basename "$(dirname "$service")")
    put "services/$name/$name.toml" "../target/plugins/$name.toml"
    put "$built/$name.wasm" "../target/plugins/$name.wasm"
done
for case in cases/*/Cargo.toml; do
    name=$(basename "$(dirname "$case")")
    put "$built/$name.wasm" "../target/guests/$name.wasm"
done
