#!/usr/bin/env bash
# What a queue takes: messages a second from the call that sends them to the end of their delivery, sixteen of them taken at once, on a file
# and on a PostgreSQL server of this machine. Beside them what the disk does: syncs of one page a second. And the server once more while
# somebody looks at it as it was, so that it cannot clean up after a hundred thousand messages.
# Alone, with a host and guests that are there:  HOLDFAST=target/debug/holdfast tests/bench/queue.sh
# Without HOLDFAST, the release build is made and measured.
source "$(dirname "$0")/shared.sh"

messages=${MESSAGES:-20000}
churned=${CHURNED:-100000}
if [ -z "${HOLDFAST:-}" ]; then
    make guests database
    cargo build --release -p holdfast-server --bin holdfast
fi
holdfast=${HOLDFAST:-target/release/holdfast}

host() { # name, port, lines of the policy
    local dir=$work/$1
    mkdir -p "$dir/plugins"
    cp target/guests/queues.wasm "$dir/plugins/"
    printf 'queues = ["queues"]\n' >"$dir/plugins/queues.toml"
    {
        printf 'anonymous = "allow"\nlog_file = "%s"\nlog = "json"\n%s\n' "$dir/log" "$3"
        printf '[services.queues]\nqueues = ["queues"]\n[services.queues.limits]\nqueue_places = 16\nqueue_messages = 1000000\n'
    } >"$dir/holdfast.toml"
    start "$1" "$2" /queues/?count=0 "$holdfast" serve --plugins "$dir/plugins" --config "$dir/holdfast.toml" --data "$dir/data" \
        --listen "127.0.0.1:$2" --admin "127.0.0.1:$(($2 + 100))"
}

# The server, which does not run as root.
postgres=$(command -v postgres || ls -d /usr/lib/postgresql/*/bin/postgres | tail -1)
bin=$(dirname "$(readlink -f "$postgres")")
as() { if [ "$(id -u)" = 0 ]; then su -s /bin/bash nobody -c "$*"; else "$@"; fi; }
mkdir "$work/pg"
chmod 711 "$work"
if [ "$(id -u)" = 0 ]; then chown nobody "$work/pg"; fi
stopped() { as "$bin/pg_ctl" -D "$work/pg/data" -m immediate stop >/dev/null 2>&1 || true; }
trap 'stopped; kill "${running[@]}" 2>/dev/null || true; wait || true; rm -rf "$work"' EXIT
as "$bin/initdb" -D "$work/pg/data" -U holdfast -A trust >/dev/null
as "$bin/pg_ctl" -D "$work/pg/data" -w -l "$work/pg/log" -o "'-p 9161 -k $work/pg -c listen_addresses=127.0.0.1'" start >/dev/null

host file 9051 ''
host server 9052 $'[store]\nurl = "postgres://holdfast@127.0.0.1:9161/postgres"'

left() { # name: how many messages are not done with
    "$holdfast" queue ls --json --data "$work/$1/data" | awk -F'[:,]' '{ for (i = 1; i <= NF; i++) if ($i ~ /"(due|later|held)"/) sum += $(i + 1) } END { print sum + 0 }'
}
through() { # name, port, how many, what the figure is called: from the first call to the last delivery
    local began ended
    began=$(date +%s%N)
    for ((sent = 0; sent < $3; sent += 1000)); do
        curl -sf -X POST "http://127.0.0.1:$2/queues/?text=quiet&count=1000" >/dev/null
    done
    until [ "$(left "$1")" = 0 ]; do sleep 0.1; done
    ended=$(date +%s%N)
    echo "$4 $(($3 * 1000000000 / (ended - began))) $round" >>"$work/figures"
}
syncs() {
    local took
    took=$(dd if=/dev/zero of="$work/sync" bs=4096 count=1000 oflag=dsync 2>&1 | awk '/copied/ { print $(NF - 3) }')
    awk -v took="$took" -v round="$round" 'BEGIN { printf "syncs %.0f %s\n", 1000 / took, round }' >>"$work/figures"
}
for round in $(seq 0 "$rounds"); do
    through file 9051 "$messages" file
    through server 9052 "$messages" server
    syncs
done

query=("$bin/psql" -qAt -h 127.0.0.1 -p 9161 -U holdfast -d postgres)
"${query[@]}" -c 'BEGIN ISOLATION LEVEL REPEATABLE READ' -c 'SELECT count(*) FROM queue_ready' -c 'SELECT pg_sleep(3600)' >/dev/null &
running+=($!)
held="SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND backend_xmin IS NOT NULL"
until [ "$("${query[@]}" -c "$held")" = 1 ]; do sleep 0.1; done
through server 9052 "$churned" churned
for round in $(seq "$rounds"); do through server 9052 "$messages" pinned; done

rate() { awk -v name="$1" '$1 == name && $3 > 0 { printf "%.0f\n", $2 }' "$work/figures" | middle; }
printf '\n%s messages, %s rounds, medians a second; syncs of the disk a second: %s\n' "$messages" "$rounds" "$(rate syncs)"
bar "messages a second, sixteen at once, on a file" "$(rate file)" ">=" 5000
bar "messages a second, sixteen at once, on a server" "$(rate server)" ">=" 2000
share=$(awk -v pinned="$(rate pinned)" -v free="$(rate server)" 'BEGIN { printf "%.2f", pinned / free }')
bar "the same beside a snapshot that is held, to without" "$share" ">=" 0.33
exit "$missed"
