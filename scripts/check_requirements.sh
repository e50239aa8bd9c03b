#!/usr/bin/env bash
# Fail when requirements.txt or requirements-dev.txt is not what `make lock` would make of pyproject.toml.
# It compiles over copies of the present files, so that only pyproject.toml counts, not what was released meanwhile.
set -eu -o pipefail
cd "$(dirname "$0")/.."

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
cp requirements.txt requirements-dev.txt pyproject.toml "$made"
make -s -f "$PWD/Makefile" -C "$made" UV="$PWD/.tools/uv/bin/uv" lock

status=0
for file in requirements.txt requirements-dev.txt; do
    if ! diff -u "$file" "$made/$file" >"$made/diff"; then
        echo "$file is stale against pyproject.toml: run make lock" >&2
        head -20 "$made/diff" >&2
        status=1
    fi
done
exit $status
