#!/usr/bin/env bash
# Puts the built guests where the host and the tests look for them: services to target/plugins, cases to target/guests.
# A file is replaced only when it changed, and by a rename, so that a running host never sees half of one.
# Services that have WIT of their own get its comments put in by the host's own program, where that is built. Documents that a manifest names
# go before it, so that none is missed.
set -euo pipefail
cd "$(dirname "$0")"

built=target/wasm32-wasip2/release
holdfast=${HOLDFAST_BIN:-../target/debug/holdfast}

put() { # from, to
    if cmp -s "$1" "$2"; then return; fi
    cp "$1" "$2.new"
    mv "$2.new" "$2"
    echo "built $2"
}

described() { # name: the file to take
    local component="$built/${1//-/_}.wasm"
    if [ ! -d "services/$1/wit" ] || [ ! -x "$holdfast" ]; then echo "$component"; return; fi
    mkdir -p "$built/described"
    cp "$component" "$built/described/$1.wasm"
    "$holdfast" describe "$built/described/$1.wasm" --wit services/*/wit 2>/dev/null || echo "$1 goes without its comments" >&2
    echo "$built/described/$1.wasm"
}

mkdir -p ../target/plugins ../target/guests
for service in services/*/Cargo.toml; do
    name=$(basename "$(dirname "$service")")
    for document in "services/$name/$name".*.json "services/$name/$name".*.yaml; do
        if [ -e "$document" ]; then put "$document" "../target/plugins/$(basename "$document")"; fi
    done
    put "services/$name/$name.toml" "../target/plugins/$name.toml"
    put "$(described "$name")" "../target/plugins/$name.wasm"
done
for case in cases/*/Cargo.toml; do
    name=$(basename "$(dirname "$case")")
    put "$built/$name.wasm" "../target/guests/$name.wasm"
done
