#!/usr/bin/env bash
# What it takes to account for calls: readers with and without a place in the audit log, calls with a key that take effect once, and those
# that are answered again. SQLite, 64 clients.
# Alone, with a host and guests that are there:  HOLDFAST=target/debug/holdfast tests/bench/accountable.sh
# Without HOLDFAST, the release build is made and measured.
source "$(dirname "$0")/shared.sh"

clients=64
if [ -z "${HOLDFAST:-}" ]; then
    make guests
    cargo build --release -p holdfast-server --bin holdfast
fi
holdfast=${HOLDFAST:-target/release/holdfast}

host() { # name, port, what is on record
    local dir=$work/$1
    mkdir -p "$dir/plugins"
    cp target/plugins/hello.wasm "$dir/plugins/"
    printf 'purpose = "say hello"\n' >"$dir/plugins/hello.toml"
    printf 'anonymous = "allow"\nlog = "json"\nlog_file = "%s"\n[audit]\ncalls = "%s"\n' "$dir/log" "$3" >"$dir/holdfast.toml"
    start "$1" "$2" /hello/ "$holdfast" serve --plugins "$dir/plugins" --config "$dir/holdfast.toml" --data "$dir/data" \
        --listen "127.0.0.1:$2" --admin "127.0.0.1:$(($2 + 100))"
}
host all 9041 all
host changes 9042 changes

load() { # name, arguments of wrk...
    local name=$1
    shift
    wrk --threads 1 --connections "$clients" --duration "${seconds}s" --latency "$@" >"$work/wrk"
    awk -v name="$name" -v round="$round" '
        /Requests\/sec:/ { rate = $2 }
        /Non-2xx/ { failed = $NF }
        END { print name, rate, failed + 0, round }' "$work/wrk" >>"$work/figures"
}
for round in $(seq 0 "$rounds"); do
    load recorded http://127.0.0.1:9041/hello/
    load unrecorded http://127.0.0.1:9042/hello/
    load keyed --script tests/bench/keyed.lua http://127.0.0.1:9041/hello/
    load replayed --script tests/bench/keyed.lua http://127.0.0.1:9041/hello/ -- replay
done

rate() { awk -v name="$1" '$1 == name && $4 > 0 { printf "%.0f\n", $2 }' "$work/figures" | middle; }
ratio() { awk -v one="$1" -v two="$2" 'BEGIN { printf "%.2f", one / two }'; }
recorded=$(rate recorded)
unrecorded=$(rate unrecorded)
printf '\n%s clients, %s rounds of %s s, medians a second: readers %s on record, %s not\n' "$clients" "$rounds" "$seconds" "$recorded" "$unrecorded"
bar "readers on record, to those that are not" "$(ratio "$recorded" "$unrecorded")" ">=" 0.85
bar "calls with a key of their own, a second" "$(rate keyed)" ">=" 12000
bar "calls that are answered again, a second" "$(rate replayed)" ">=" 30000
bar "of all of them, not answered with 2xx" "$(awk '$4 > 0 { all += $3 } END { print all }' "$work/figures")" "==" 0
exit "$missed"
