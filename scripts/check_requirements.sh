#!/usr/bin/env bash
# Fail when a requirements file is not what `make lock` would make of pyproject.toml and benchmarks/dlt.in.
# It compiles over copies of the present files, so that only pyproject.toml counts, not what was released meanwhile.
set -eu -o pipefail
cd "$(dirname "$0")/.."

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
mkdir "$made/benchmarks"
cp requirements.txt requirements-dev.txt pyproject.toml "$made"
cp benchmarks/dlt.in benchmarks/requirements-dlt.txt "$made/benchmarks"
make -s -f "$PWD/Makefile" -C "$made" UV="$PWD/.tools/uv/bin/uv" lock

status=0
for file in requirements.txt requirements-dev.txt benchmarks/requirements-dlt.txt; do
    if ! diff -u "$file" "$made/$file" >"$made/diff"; then
        echo "$file is stale: run make lock" >&2
        head -20 "$made/diff" >&2
        status=1
    fi
done
exit $status
