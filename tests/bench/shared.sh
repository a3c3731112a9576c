# What both scripts need: where they work, how a contestant is started, how figures are read and held to bars. To be sourced.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

rounds=${ROUNDS:-7}
seconds=${SECONDS_EACH:-3}
work=$(mktemp -d)
running=()
contestants=()
missed=0
trap 'kill "${running[@]}" 2>/dev/null || true; wait || true; rm -rf "$work"' EXIT

# With it set, an engine that was built to capture backtraces pays for one with every stack it gives back; nobody serves that way.
unset RUST_BACKTRACE

needed=()
for command in wrk curl; do
    command -v "$command" >/dev/null || needed+=("$command")
done
if [ ${#needed[@]} -gt 0 ]; then
    apt-get update && apt-get install --yes --no-install-recommends "${needed[@]}"
fi

start() { # name, port, path, command...
    local name=$1 url=http://127.0.0.1:$2$3
    shift 3
    "$@" >"$work/$name.out" 2>&1 &
    running+=($!)
    # An interpreter is compiled at the start, by a compiler that is built without optimisation: minutes.
    for _ in $(seq 6000); do
        if curl --silent --fail --output /dev/null "$url"; then
            contestants+=("$name $url")
            return
        fi
        sleep 0.1
    done
    echo "$name did not start:" >&2
    cat "$work/$name.out" >&2
    exit 1
}

bar() { # what, value, ">=" or "<=" or "==", bar
    local verdict=holds
    if ! awk -v value="$2" -v bar="$4" -v kind="$3" \
        'BEGIN { exit !(kind == ">=" ? value >= bar : kind == "<=" ? value <= bar : value == bar) }'; then
        verdict=MISSED
        missed=1
    fi
    printf '%-58s %10s %s %-10s %s\n' "$1" "$2" "$3" "$4" "$verdict"
}

latency() { # "50%" or "99%", connections, duration, url: in µs
    wrk --threads 1 --connections "$2" --duration "$3" --latency "$4" | awk -v share="$1" '
        $1 == share { unit = $2; sub(/[0-9.]+/, "", unit); print ($2 + 0) * (unit == "s" ? 1e6 : unit == "ms" ? 1e3 : 1) }'
}

share() { # per cent: of figures, one a line, the one that so many are no larger than
    sort -g | awk -v share="$1" '{ all[NR] = $1 } END { printf "%.0f", all[int((NR * share + 99) / 100)] }'
}

middle() { share 50; }

millis() { echo $(($(date +%s%N) / 1000000)); }
