#!/usr/bin/env bash
# Builds the targets with the fuzzer's eyes in them and runs each for some seconds: run.sh [TARGET...]; SECONDS_EACH, default 60.
# The corpus that grows stays in the target directory; what is committed is `corpus/`. Any finding ends it with its input's name.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${SECONDS_EACH:-60}
host=$(rustc -vV | sed -n 's/^host: //p')
out=${CARGO_TARGET_DIR:-../../target/fuzz}
# The fuzzer itself is C++.
command -v c++ >/dev/null || { apt-get update && apt-get install --yes --no-install-recommends g++; }
mkdir -p "$out"
out=$(cd "$out" && pwd)

# What cargo-fuzz sets, all of it stable; without a sanitiser, since there is no unsafe code to be watched in what is fuzzed.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=16"
cargo build --locked --target "$host" --target-dir "$out"

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for target in targets/*.rs; do
        targets+=("$(basename "$target" .rs)")
    done
fi
for target in "${targets[@]}"; do
    mkdir -p "$out/corpus/$target" "$out/found/$target" "corpus/$target"
    words=()
    if [ -f "words/$target.txt" ]; then
        words=(-dict="words/$target.txt")
    fi
    echo "== $target, $seconds s"
    "$out/$host/debug/$target" "${words[@]}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len="${MAX_LEN:-16384}" \
        -print_final_stats=1 -artifact_prefix="$out/found/$target/" "$out/corpus/$target" "corpus/$target"
done
