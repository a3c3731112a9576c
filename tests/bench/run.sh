#!/usr/bin/env bash
# One run: every contestant is up at once, and rounds go round among them, so that whatever else the machine does meets them all.
# Prints medians and their ratios to `wasmtime serve` at its defaults. Sets up what it needs in ignored folders.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${ROUNDS:-7}
seconds=${SECONDS_EACH:-5}
connections=${CONNECTIONS:-32}
tools=bench/tools
work=$(mktemp -d)
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; wait || true; rm -rf "$work"' EXIT

command -v wrk >/dev/null || { apt-get update && apt-get install --yes --no-install-recommends wrk; }
command -v curl >/dev/null || { apt-get update && apt-get install --yes --no-install-recommends curl; }
if ! "$tools/bin/wasmtime" --version 2>/dev/null | grep -q ' 48\.0\.8'; then
    cargo install --locked --root "$tools" --version 48.0.8 wasmtime-cli
fi
make guests
cargo build --release -p holdfast-server --bin holdfast
cargo build --release --manifest-path tests/bench/Cargo.toml --target-dir bench/target
hello=target/plugins/hello.wasm
proxy=target/plugins/proxy.wasm

start() { # name, url, command...
    local name=$1 url=$2
    shift 2
    "$@" >"$work/$name.out" 2>&1 &
    running+=($!)
    for _ in $(seq 200); do
        if curl --silent --fail --output /dev/null "$url"; then return; fi
        sleep 0.1
    done
    echo "$name did not start:" >&2
    cat "$work/$name.out" >&2
    exit 1
}

holdfast() { # name, port, pool
    local dir=$work/$1
    mkdir -p "$dir/plugins"
    cp "$hello" "$proxy" "$dir/plugins/"
    printf 'purpose = "say hello"\n' >"$dir/plugins/hello.toml"
    printf 'purpose = "pass on"\nupstreams = ["near"]\n[config]\nupstream = "http://127.0.0.1:9001"\n' >"$dir/plugins/proxy.toml"
    cat >"$dir/holdfast.toml" <<POLICY
anonymous = "allow"
log = "json"
log_file = "$dir/log"
pool = "$3"
[services.proxy]
upstreams = ["near"]
[upstreams.near]
url = "http://127.0.0.1:9001"
allow_private = ["127.0.0.1/32"]
POLICY
    start "$1" "http://127.0.0.1:$2/hello/" target/release/holdfast serve --plugins "$dir/plugins" \
        --config "$dir/holdfast.toml" --data "$dir/data" --listen "127.0.0.1:$2" --admin "127.0.0.1:$(($2 + 100))"
}

serve=("$tools/bin/wasmtime" serve)
start native http://127.0.0.1:9001/ bench/target/release/native 127.0.0.1:9001
start bare http://127.0.0.1:9002/ bench/target/release/bare "$hello" 127.0.0.1:9002
start serve http://127.0.0.1:9003/ "${serve[@]}" --addr 127.0.0.1:9003 "$hello"
start serve-pool http://127.0.0.1:9004/ "${serve[@]}" --addr 127.0.0.1:9004 -O pooling-allocator=y \
    -O pooling-memory-keep-resident=1048576 -O pooling-pagemap-scan=auto "$hello"
start serve-proxy http://127.0.0.1:9005/ "${serve[@]}" --addr 127.0.0.1:9005 -S cli -S config \
    -S config-var=upstream=http://127.0.0.1:9001 "$proxy"
holdfast holdfast 9006 auto
holdfast holdfast-safe 9007 safe

contestants=(
    "serve http://127.0.0.1:9003/" "serve-pool http://127.0.0.1:9004/"
    "holdfast http://127.0.0.1:9006/hello/" "holdfast-safe http://127.0.0.1:9007/hello/"
    "bare http://127.0.0.1:9002/" "native http://127.0.0.1:9001/"
    "serve-proxy http://127.0.0.1:9005/" "holdfast-proxy http://127.0.0.1:9006/proxy/"
)

for round in $(seq 0 "$rounds"); do
    for contestant in "${contestants[@]}"; do
        read -r name url <<<"$contestant"
        wrk --threads 1 --connections "$connections" --duration "${seconds}s" --latency "$url" >"$work/wrk"
        # The first round warms up and is not counted.
        if [ "$round" -gt 0 ]; then
            awk -v name="$name" '
                $1 == "99%" { unit = $2; sub(/[0-9.]+/, "", unit); p99 = ($2 + 0) * (unit == "s" ? 1e6 : unit == "ms" ? 1e3 : 1) }
                $1 == "Requests/sec:" { rate = $2 }
                /Non-2xx/ { failed = $NF }
                END { print name, rate, p99, failed + 0 }' "$work/wrk" >>"$work/figures"
        fi
    done
done

median() { # name, column
    awk -v name="$1" -v column="$2" '$1 == name { print $column }' "$work/figures" | sort -g |
        awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'
}

base=$(median serve 2)
proxy_base=$(median serve-proxy 2)
printf '\n%-16s %12s %8s %10s %8s\n' "" req/s ratio "p99 µs" failed
for contestant in "${contestants[@]}"; do
    read -r name _ <<<"$contestant"
    over=$base
    case $name in *-proxy) over=$proxy_base ;; esac
    failed=$(awk -v name="$name" '$1 == name { sum += $4 } END { print sum + 0 }' "$work/figures")
    awk -v name="$name" -v rate="$(median "$name" 2)" -v over="$over" -v p99="$(median "$name" 3)" -v failed="$failed" \
        'BEGIN { printf "%-16s %12.0f %8.2f %10.0f %8d\n", name, rate, rate / over, p99, failed }'
done
awk -v ours="$(median holdfast 2)" -v bare="$(median bare 2)" -v pool="$(median serve-pool 2)" \
    'BEGIN { printf "\nholdfast / bare %.2f   holdfast / wasmtime serve with the same pool %.2f\n", ours / bare, ours / pool }'
for name in holdfast holdfast-safe; do
    port=$([ "$name" = holdfast ] && echo 9106 || echo 9107)
    echo "$name: $(grep -c '"outcome"' "$work/$name/log") closing lines;" \
        "$(curl --silent "http://127.0.0.1:$port/metrics" | grep '^holdfast_log_dropped_total' || echo 'dropped: not told')"
done
