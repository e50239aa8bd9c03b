#!/usr/bin/env bash
# Print the project's version, x.y.z, from the one place that it is in.
set -euo pipefail
sed -nE 's/^__version__ = "([^"]+)"$/\1/p' "$(dirname "${BASH_SOURCE[0]}")/../deltalake_hub/__init__.py" | grep .
