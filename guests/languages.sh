#!/usr/bin/env bash
# Builds the services that are not in Rust into target/plugins, as their authors do it: `holdfast build`. One whose source is older than its
# component is left alone. With --present, a language whose tools are missing is passed over with a line.
set -euo pipefail
cd "$(dirname "$0")/.."

present=no
if [ "${1:-}" = --present ]; then
    present=yes
    shift
fi

tools() { # language
    case $1 in
        js) command -v node >/dev/null && command -v npm >/dev/null ;;
        python) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    esac
}

for language in "$@"; do
    project=guests/services/hello-$language
    built=target/plugins/hello-$language.wasm
    if [ -e "$built" ] && [ -z "$(find "$project" -maxdepth 1 -type f -newer "$built")" ]; then continue; fi
    if [ $present = yes ] && ! tools "$language"; then
        echo "hello-$language is left out: its tools are missing, see \`target/debug/holdfast build $project\`"
        continue
    fi
    target/debug/holdfast build "$project" --plugins target/plugins
done
