#!/usr/bin/env bash
# Build deltalake_hub-x.y.z-py3-none-any.whl into OUT (default: dist), in place of what was built there before, and
# print its path. With the locked build tools of `make setup` it needs no network; elsewhere pip fetches them.
set -euo pipefail
if [ $# -gt 1 ]; then
    echo "usage: build_wheel.sh [OUT]" >&2
    exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=${1:-$root/dist}
mkdir -p "$out"
out=$(cd "$out" && pwd)

python=$root/.venv/bin/python
[ -x "$python" ] || python=python3
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
if "$python" -c 'import build, hatchling' 2>/dev/null; then
    "$python" -m build --wheel --no-isolation --outdir "$made" "$root" >&2
else
    "$python" -m pip wheel --no-deps --wheel-dir "$made" "$root" >&2
fi
rm -f "$out"/deltalake_hub-*.whl
mv "$made"/deltalake_hub-*-py3-none-any.whl "$out"
ls "$out"/deltalake_hub-*.whl
