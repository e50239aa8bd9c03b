#!/usr/bin/env bash
# Build function_app.zip into OUT (default: dist): what the Functions host runs, with the packages that requirements.txt
# locks for Linux on x86-64 and Python 3.13. They come from the package index, checked by their hashes.
set -euo pipefail
if [ $# -gt 1 ]; then
    echo "usage: build_function_app.sh [OUT]" >&2
    exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=${1:-$root/dist}
mkdir -p "$out"
out=$(cd "$out" && pwd)
uv=$root/.tools/uv/bin/uv
[ -x "$uv" ] || uv=uv

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
cp "$root"/{host.json,function_app.py,requirements.txt} "$made"
for package in function_app hub_core ddl; do
    tar -C "$root" --exclude=__pycache__ -cf - "$package" | tar -C "$made" -xf -
done
"$uv" pip install -q --no-config --require-hashes --only-binary :all: -r "$root/requirements.txt" \
    --python-version 3.13 --python-platform x86_64-manylinux_2_28 --target "$made/.python_packages/lib/site-packages"
cd "$made"
python3 - "$out/function_app.zip" <<'PYTHON'
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

# The fastest level: most of it are shared libraries, and the host unpacks it once.
with ZipFile(sys.argv[1], "w", ZIP_DEFLATED, compresslevel=1) as archive:
    for file in sorted(Path().rglob("*")):
        if "__pycache__" not in file.parts:
            archive.write(file)
PYTHON
echo "$out/function_app.zip"
