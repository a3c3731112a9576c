#!/usr/bin/env bash
# What it takes one service to call another: in the process, as a function, and the same function over HTTP, through the gateway of the
# same host on loopback.
# Alone, with a host and guests that are there:  HOLDFAST=target/debug/holdfast GUESTS=target/guests tests/bench/hops.sh
# Without HOLDFAST, the release build is made and measured. Both are one caller who waits for each answer before the next call.
source "$(dirname "$0")/shared.sh"

steps=${STEPS:-1000}
guests=${GUESTS:-target/guests}
if [ -z "${HOLDFAST:-}" ]; then
    make guests
    cargo build --release -p holdfast-server --bin holdfast
fi
holdfast=${HOLDFAST:-target/release/holdfast}

mkdir "$work/plugins"
cp "$guests/typed.wasm" "$guests/walks.wasm" "$work/plugins/"
printf 'purpose = "take a step"\n' >"$work/plugins/typed.toml"
printf 'purpose = "walk"\nservices = ["typed"]\nupstreams = ["gateway"]\n[limits]\ncalls = %s\n' "$steps" >"$work/plugins/walks.toml"
cat >"$work/holdfast.toml" <<POLICY
anonymous = "allow"
log = "json"
log_file = "$work/log"
[services.walks]
services = ["typed"]
upstreams = ["gateway"]
limits.calls = $steps
[upstreams.gateway]
url = "http://127.0.0.1:9031"
allow_private = ["127.0.0.1/32"]
POLICY
start host 9031 /typed/wit "$holdfast" serve --plugins "$work/plugins" --config "$work/holdfast.toml" --data "$work/data" \
    --listen 127.0.0.1:9031 --admin 127.0.0.1:9131
until curl --silent --fail --output /dev/null http://127.0.0.1:9131/readyz; do sleep 0.2; done

# In microseconds a step, of a walk of so many less one of none.
walk() { # inside or outside, more members of the input
    for count in "$steps" 0; do
        curl --silent --fail --output "$work/walked" --write-out '%{time_total} ' --json "{\"steps\":$count$2}" \
            "http://127.0.0.1:9031/walks/walks/$1"
        grep -q "\"x\":$count" "$work/walked"
    done | awk -v steps="$steps" '{ printf "%.2f\n", ($1 - $2) * 1e6 / steps }'
}

outside=',"authority":"127.0.0.1:9031"'
walk inside '' >/dev/null
walk outside "$outside" >/dev/null
for _ in $(seq $((5 * rounds))); do
    # By turns, so that whatever else the machine does meets both.
    walk inside '' >>"$work/inside"
    walk outside "$outside" >>"$work/outside"
done

middle_of() { awk '{ print $1 * 10 }' "$1" | middle | awk '{ print $1 / 10 }'; }
inside=$(middle_of "$work/inside")
outside=$(middle_of "$work/outside")
printf '\na call between services, %s steps a walk, medians of %s: %s µs in the process; %s µs over loopback HTTP\n' \
    "$steps" $((5 * rounds)) "$inside" "$outside"
bar "a call between services, in the process, µs" "$inside" "<=" 30
bar "calls a second in the process, to those over loopback HTTP" \
    "$(awk -v inside="$inside" -v outside="$outside" 'BEGIN { printf "%.2f", outside / inside }')" ">=" 4
exit "$missed"
