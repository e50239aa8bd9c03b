#!/usr/bin/env bash
# Let pip install from an Azure Artifacts feed: as a cluster's init script, or on a machine where the Databricks CLI is
# signed in. FEED_URL (default: HUB_FEED_URL) is the feed's index, …/deltalake-artifacts/pypi/simple/.
#
# The token, with the right Packaging (Read), is ADO_PAT, which a cluster sets from the secret scope:
#     spark_env_vars: {ADO_PAT: "{{secrets/ado-artifacts/ado-pat}}"}
# and otherwise the Databricks CLI reads it there: scope ado-artifacts, key ado-pat. It goes into pip's configuration
# (PIP_CONFIG_FILE; default: /etc/pip.conf for root, else the user's own), which nobody but the owner may read, and
# nowhere else: not to the output, not into a command's arguments. Root may name another owner in PIP_CONFIG_OWNER.
set -euo pipefail
set +x
if [ $# -gt 1 ]; then
    echo "usage: configure_pip.sh [FEED_URL]" >&2
    exit 2
fi
feed=${1:-${HUB_FEED_URL:-}}
if [[ ! $feed =~ ^https?://[^@]+$ ]]; then
    echo "configure_pip.sh: the feed's URL (FEED_URL or HUB_FEED_URL) must be http(s) and without credentials: '$feed'" >&2
    exit 2
fi
if [ -z "${ADO_PAT:-}" ]; then
    # The answer is JSON with the value in base64.
    ADO_PAT=$(databricks secrets get-secret ado-artifacts ado-pat --output json |
        python3 -c 'import base64, json, sys; print(base64.b64decode(json.load(sys.stdin)["value"]).decode())')
fi
export ADO_PAT
quoted=$(python3 -c 'import os, urllib.parse; print(urllib.parse.quote(os.environ["ADO_PAT"].strip(), safe=""))')
if [ -z "$quoted" ]; then
    echo "configure_pip.sh: the token is empty" >&2
    exit 2
fi

config=${PIP_CONFIG_FILE:-}
if [ -z "$config" ]; then
    if [ "$(id -u)" -eq 0 ]; then config=/etc/pip.conf; else config=${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf; fi
fi
mkdir -p "$(dirname "$config")"
# Never readable by others, not even for a moment: a new file of mode 600 takes the old one's place.
umask 077
made=$(mktemp "$config.XXXXXX")
trap 'rm -f "$made"' EXIT
printf '[global]\nindex-url = %s\n' "${feed%%://*}://build:$quoted@${feed#*://}" >"$made"
[ -z "${PIP_CONFIG_OWNER:-}" ] || chown "$PIP_CONFIG_OWNER" "$made"
mv -f "$made" "$config"
echo "pip installs from $feed: $config"
