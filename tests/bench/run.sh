#!/usr/bin/env bash
# One run: every contestant is up at once, and rounds go round among them, so that whatever else the machine does meets them all.
# Prints medians, their ratios and the bars they are held to; fails if a bar is missed. Sets up what it needs in ignored folders.
source "$(dirname "$0")/shared.sh"

connections=${CONNECTIONS:-32}
tools=bench/tools

if ! "$tools/bin/wasmtime" --version 2>/dev/null | grep -q '^wasmtime 48\.0\.8'; then
    # Its defaults without what `serve` never runs; what is left out could only slow it. What compiles a guest at the start is built
    # without optimisation, because that is not measured and takes the longest.
    unoptimised=()
    for crate in cranelift-codegen regalloc2 wasmparser wasmtime-internal-cranelift wit-component wit-parser wasm-encoder; do
        unoptimised+=(--config "profile.release.package.$crate.opt-level=0")
    done
    cargo install --locked --root "$tools" --version 48.0.8 "${unoptimised[@]}" --no-default-features --features "run,serve,\
wasi-http,wasi-config,backtrace,parallel-compilation,pooling-allocator,demangle,cranelift,addr2line,component-model,\
component-model-async,threads,gc,gc-copying,gc-drc,gc-null,stack-switching,clap/default" wasmtime-cli
fi
make guests
cargo build --release -p holdfast-server --bin holdfast
cargo build --release --manifest-path tests/bench/Cargo.toml --target-dir bench/target
hello=target/plugins/hello.wasm
proxy=target/plugins/proxy.wasm
# Guests that bring an interpreter along, as many as `make guests` has built: those are who reuse is for.
interpreted=()
for language in js python; do
    if [ -e "target/plugins/hello-$language.wasm" ]; then interpreted+=("$language"); fi
done

# === The contestants ===

# Every limit and deadline is the default one; the policy only says where the log goes, what the proxy may reach, and which pool.
holdfast() { # name, port, pool
    local dir=$work/$1
    mkdir -p "$dir/plugins"
    cp "$hello" "$proxy" target/plugins/front.* target/plugins/notes.* "$dir/plugins/"
    printf 'purpose = "say hello"\n' >"$dir/plugins/hello.toml"
    cp "$hello" "$dir/plugins/again.wasm"
    printf 'purpose = "say hello"\nreuse = 100\n' >"$dir/plugins/again.toml"
    for language in "${interpreted[@]}"; do
        cp "target/plugins/hello-$language.wasm" "$dir/plugins/"
        printf 'purpose = "say hello"\nreuse = 100\n' >"$dir/plugins/hello-$language.toml"
    done
    printf 'purpose = "pass on"\nupstreams = ["near"]\n[config]\nupstream = "http://127.0.0.1:9001"\n' >"$dir/plugins/proxy.toml"
    cat >"$dir/holdfast.toml" <<POLICY
anonymous = "allow"
log = "json"
log_file = "$dir/log"
pool = "$3"
[services.front]
services = ["notes"]
[services.proxy]
upstreams = ["near"]
[upstreams.near]
url = "http://127.0.0.1:9001"
allow_private = ["127.0.0.1/32"]
POLICY
    start "$1" "$2" /hello/ target/release/holdfast serve --plugins "$dir/plugins" \
        --config "$dir/holdfast.toml" --data "$dir/data" --listen "127.0.0.1:$2" --admin "127.0.0.1:$(($2 + 100))"
    printf '%s: ' "$1"
    grep -o 'pool: [^"]*' "$dir/log" | head -n 1
}

serve=("$tools/bin/wasmtime" serve)
pool=(-O pooling-allocator=y -O pooling-table-keep-resident=16384)
scanned=("${pool[@]}" -O pooling-memory-keep-resident=1048576 -O pooling-pagemap-scan=auto)
cleared=("${pool[@]}" -O pooling-memory-keep-resident=16384 -O pooling-pagemap-scan=no)
start native 9001 / bench/target/release/native 127.0.0.1:9001
start bare 9002 / bench/target/release/bare "$hello" 127.0.0.1:9002 scan
start bare-safe 9003 / bench/target/release/bare "$hello" 127.0.0.1:9003 clear
start serve 9004 / "${serve[@]}" --addr 127.0.0.1:9004 "$hello"
start serve-pool 9005 / "${serve[@]}" --addr 127.0.0.1:9005 "${scanned[@]}" "$hello"
start serve-safe 9006 / "${serve[@]}" --addr 127.0.0.1:9006 "${cleared[@]}" "$hello"
start serve-proxy 9007 / "${serve[@]}" --addr 127.0.0.1:9007 -S cli -S config \
    -S config-var=upstream=http://127.0.0.1:9001 "$proxy"
holdfast holdfast 9008 auto
holdfast holdfast-safe 9009 safe
# Every service is loaded before anything is measured: compiling an interpreter takes both processors.
for admin in 9108 9109; do
    until curl --silent --fail --output /dev/null "http://127.0.0.1:$admin/readyz"; do sleep 0.2; done
done
contestants+=("holdfast-proxy http://127.0.0.1:9008/proxy/" "holdfast-reuse http://127.0.0.1:9008/again/")
port=9011
for language in "${interpreted[@]}"; do
    start "serve-$language" "$port" / "${serve[@]}" -S cli --addr "127.0.0.1:$port" "target/plugins/hello-$language.wasm"
    contestants+=("holdfast-$language http://127.0.0.1:9008/hello-$language/")
    port=$((port + 1))
done

# === The rounds ===

for round in $(seq 0 "$rounds"); do
    for contestant in "${contestants[@]}"; do
        read -r name url <<<"$contestant"
        wrk --threads 1 --connections "$connections" --duration "${seconds}s" --latency "$url" >"$work/wrk"
        # The first round warms up: its figures are not used, but its requests are counted.
        awk -v name="$name" -v round="$round" '
            $1 == "99%" { unit = $2; sub(/[0-9.]+/, "", unit); p99 = ($2 + 0) * (unit == "s" ? 1e6 : unit == "ms" ? 1e3 : 1) }
            $2 == "requests" && $3 == "in" { count = $1 }
            $1 == "Requests/sec:" { rate = $2 }
            /Non-2xx/ { failed = $NF }
            END { print name, rate, p99, failed + 0, count, round }' "$work/wrk" >>"$work/figures"
    done
done

median() { # name, column
    awk -v name="$1" -v column="$2" '$1 == name && $6 > 0 { print $column }' "$work/figures" | sort -g |
        awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'
}

sum() { # name, column
    awk -v name="$1" -v column="$2" '$1 == name { all += $column } END { printf "%d", all }' "$work/figures"
}

printf '\n%s rounds of %s s, %s connections, medians\n%-16s %10s %10s %8s %8s\n' "$rounds" "$seconds" "$connections" \
    "" req/s "to serve" "p99 µs" failed
for contestant in "${contestants[@]}"; do
    read -r name _ <<<"$contestant"
    over=serve
    case $name in *-proxy | *-js | *-python) over=serve-${name##*-} ;; esac
    awk -v name="$name" -v rate="$(median "$name" 2)" -v over="$(median "$over" 2)" -v p99="$(median "$name" 3)" \
        -v failed="$(sum "$name" 4)" \
        'BEGIN { printf "%-16s %10.0f %10.2f %8.0f %8d\n", name, rate, rate / over, p99, failed }'
done

# === The bars ===

over() { # name, other
    awk -v one="$(median "$1" 2)" -v other="$(median "$2" 2)" 'BEGIN { printf "%.2f", one / other }'
}

echo
bar "holdfast / serve" "$(over holdfast serve)" ">=" 1.8
bar "holdfast / serve with the same pool" "$(over holdfast serve-pool)" ">=" 1.0
bar "holdfast / bare" "$(over holdfast bare)" ">=" 0.8
bar "p99 of holdfast, µs, to that of serve" "$(median holdfast 3)" "<=" "$(median serve 3)"
bar "safe pool: holdfast / serve with the same pool" "$(over holdfast-safe serve-safe)" ">=" 1.0
bar "safe pool: holdfast / bare" "$(over holdfast-safe bare-safe)" ">=" 0.8
bar "safe pool: p99 of holdfast, µs, to that of serve" "$(median holdfast-safe 3)" "<=" "$(median serve-safe 3)"
bar "proxy: holdfast / serve" "$(over holdfast-proxy serve-proxy)" ">=" 2.0
bar "proxy: p99 of holdfast, µs, to that of serve" "$(median holdfast-proxy 3)" "<=" "$(median serve-proxy 3)"
for language in "${interpreted[@]}"; do
    bar "$language, with reuse: holdfast / serve" "$(over "holdfast-$language" "serve-$language")" ">=" 5.0
done
for name in holdfast holdfast-safe; do
    admin=http://127.0.0.1:$([ "$name" = holdfast ] && echo 9108 || echo 9109)/metrics
    # A call counted is a call closed; the line is written a moment later.
    calls=$(curl --silent "$admin" | awk '/^holdfast_calls_total/ { all += $NF } END { printf "%d", all }')
    for _ in $(seq 50); do
        lines=$(grep -c '"outcome":' "$work/$name/log" || true)
        if [ "$lines" -ge "$calls" ]; then break; fi
        sleep 0.1
    done
    asked=$(sum "$name" 5)
    # A proxied request is two calls: the service's and its upstream's.
    if [ "$name" = holdfast ]; then
        asked=$((asked + 2 * $(sum holdfast-proxy 5) + $(sum holdfast-reuse 5)))
        for language in "${interpreted[@]}"; do asked=$((asked + $(sum "holdfast-$language" 5))); done
    fi
    bar "$name: closing lines, to the calls counted" "$lines" "==" "$calls"
    bar "$name: closing lines, to the answers that wrk counted" "$lines" ">=" "$asked"
    bar "$name: lines dropped" "$(curl --silent "$admin" | awk '/^holdfast_log_dropped_total/ { print $NF }')" "==" 0
done
for contestant in "${contestants[@]}"; do
    read -r name _ <<<"$contestant"
    bar "$name: failed requests" "$(sum "$name" 4)" "==" 0
done

# === What there is no bar for ===

printf '\na service, and the same with reuse = 100: %s and %s requests a second\n' \
    "$(median holdfast 2)" "$(median holdfast-reuse 2)"

p50() { # url: the median latency on one connection, in µs
    latency 50% 1 1s "$1"
}

# `front` asks `notes.internal`, in the process, and hands its answer on: one more guest and one more way through the pipeline.
for _ in $(seq "$rounds"); do
    p50 http://127.0.0.1:9008/notes/ >>"$work/notes"
    p50 http://127.0.0.1:9008/front/ >>"$work/front"
done
printf '\na service, and the same through a service that calls it: %s µs and %s µs\n' \
    "$(middle <"$work/notes")" "$(middle <"$work/front")"

# Serves a directory that holds nothing but services, on ports of its own, and waits until `url` is answered.
idle=0
alone() { # directory, url
    target/release/holdfast serve --plugins "$1" --config "$work/alone.toml" --data "$work/data" --listen 127.0.0.1:9010 \
        --admin 127.0.0.1:9110 >"$work/alone.out" 2>&1 &
    idle=$!
    until curl --silent --fail --output /dev/null "$2"; do
        kill -0 "$idle" || { cat "$work/alone.out" >&2; exit 1; }
    done
}

stop() { kill "$idle"; wait "$idle" || true; }

printf 'anonymous = "allow"\nlog_file = "%s"\n' "$work/alone.log" >"$work/alone.toml"
mkdir "$work/one" "$work/many"
cp "$hello" "$work/one/"
for round in $(seq 0 "$rounds"); do
    began=$(millis)
    alone "$work/one" http://127.0.0.1:9010/hello/
    ended=$(millis)
    # The first start compiles.
    if [ "$round" -gt 0 ]; then echo $((ended - began)) >>"$work/starts"; fi
    began=$(millis)
    cp "$hello" "$work/one/again$round.wasm"
    until curl --silent --fail --output /dev/null "http://127.0.0.1:9010/again$round/"; do :; done
    echo $(($(millis) - began)) >>"$work/drops"
    rm "$work/one/again$round.wasm"
    stop
done
printf 'with a warm cache, from the start of the host to its first answer: %s ms; from a file dropped in: %s ms\n' \
    "$(middle <"$work/starts")" "$(middle <"$work/drops")"

held() { awk '/^Pss:/ { print $2 }' "/proc/$idle/smaps_rollup"; }

# A custom section with its number makes each of them another component, which shares no code with the others.
services=${SERVICES:-1000}
for number in $(seq "$services"); do
    { cat "$hello"; printf '\0\007\002no%04d' "$number"; } >"$work/many/no$number.wasm"
done
# What is called is the same service each time; there are ten of them, or all.
mkdir "$work/ten"
cp "$work/many"/no?.wasm "$work/many/no10.wasm" "$work/ten/"
alone "$work/one" http://127.0.0.1:9110/readyz
few=$(held)
stop
alone "$work/ten" http://127.0.0.1:9110/readyz
for _ in $(seq "$rounds"); do p50 http://127.0.0.1:9010/no5/ >>"$work/among-ten"; done
stop
alone "$work/many" http://127.0.0.1:9110/readyz
many=$(held)
for _ in $(seq "$rounds"); do p50 http://127.0.0.1:9010/no5/ >>"$work/among-many"; done
stop
bar "an idle service of $services, KiB (Pss)" \
    "$(awk -v few="$few" -v many="$many" -v services="$services" 'BEGIN { printf "%.0f", (many - few) / (services - 1) }')" "<=" 1024
ten=$(middle <"$work/among-ten")
all=$(middle <"$work/among-many")
printf 'a call of one service of 10: %s µs; of one of %s: %s µs\n' "$ten" "$services" "$all"
bar "a call among $services services, to one among 10" "$(awk -v ten="$ten" -v all="$all" 'BEGIN { printf "%.2f", all / ten }')" "<=" 1.25

# A restart: the services differ, and all of them were compiled before.
mkdir "$work/restart"
for number in $(seq 23); do cp "$work/many/no$number.wasm" "$work/restart/"; done
target/release/holdfast warm --plugins "$work/restart" --config "$work/alone.toml" --data "$work/data" >"$work/warm.out" 2>&1
for _ in $(seq "$rounds"); do
    began=$(millis)
    alone "$work/restart" http://127.0.0.1:9110/readyz
    echo $(($(millis) - began)) >>"$work/restarts"
    stop
done
bar "start with 23 services and a warm cache, ms" "$(middle <"$work/restarts")" "<=" 500

echo
cargo test --quiet --release -p holdfast-rules --lib -- --ignored --nocapture of_each_layer | grep ns

# === A bad day ===

# Those who were measured so far have had their time.
kill "${running[@]}" || true
HOLDFAST=target/release/holdfast tests/bench/bad_day.sh || missed=1
HOLDFAST=target/release/holdfast tests/bench/hops.sh || missed=1
HOLDFAST=target/release/holdfast tests/bench/accountable.sh || missed=1
HOLDFAST=target/release/holdfast tests/bench/queue.sh || missed=1
exit "$missed"
