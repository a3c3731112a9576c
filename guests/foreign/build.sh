#!/usr/bin/env bash
# Builds the cases in C and Go into target/guests, as core modules. Their compilers come from the Python index, pinned, into target/compilers.
# What is newer than its source is left alone.
set -euo pipefail
cd "$(dirname "$0")"

compilers=../../target/compilers
out=../../target/guests
mkdir -p "$out"

fresh() { # built, source...
    local built=$1
    shift
    [ -e "$built" ] && [ -z "$(find "$@" -newer "$built")" ]
}

if fresh "$out/c.core" c/handler.c && fresh "$out/go.core" go/main.go go/go.mod; then exit; fi

if ! cmp -s compilers.txt "$compilers/installed"; then
    echo "fetching the compilers of C and Go"
    rm -rf "$compilers"
    python3 -m venv "$compilers"
    "$compilers/bin/pip" install --quiet --disable-pip-version-check --requirement compilers.txt
    cp compilers.txt "$compilers/installed"
fi
bin=$(cd "$compilers/bin" && pwd)

export ZIG_GLOBAL_CACHE_DIR=$bin/../cache/zig ZIG_LOCAL_CACHE_DIR=$bin/../cache/zig GOCACHE=$bin/../cache/go
"$bin/python" -m ziglang cc -target wasm32-wasi -mexec-model=reactor -O2 -Wall -Wextra -Werror -s -o "$out/c.core" c/handler.c
GOOS=wasip1 GOARCH=wasm GOTOOLCHAIN=local GOFLAGS= GOTELEMETRY=off \
    "$bin/go" -C go build -buildmode=c-shared -ldflags=-s -o "$PWD/$out/go.core" .
echo "built $out/c.core and $out/go.core"
