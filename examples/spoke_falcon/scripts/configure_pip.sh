#!/usr/bin/env bash
# Let pip install from an Azure Artifacts feed: as a cluster's init script, or on a machine where the Databricks CLI is
# signed in. FEED_URL (default: HUB_FEED_URL) is the feed's index, …/deltalake-artifacts/pypi/simple/.
#
# The token, with the right Packaging (Read), is ADO_PAT, which a cluster's spark_env_vars take from the secret scope
# ado-artifacts, key ado-pat; otherwise the Databricks CLI reads it there. The feed goes into pip's configuration
# (PIP_CONFIG_FILE; default: /etc/pip.conf for root, else the user's own), the token into ~/.netrc, which nobody but the
# owner may read, and nowhere else: not to the output, not into a command's arguments. By .netrc pip is signed in also
# where a library names the feed as its `repo`, which makes pip forget the configured index and its credentials.
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
if [[ ! $ADO_PAT =~ ^[^[:space:]\"]+$ ]]; then
    echo "configure_pip.sh: the token is empty, or holds what no token does" >&2
    exit 2
fi

config=${PIP_CONFIG_FILE:-}
if [ -z "$config" ]; then
    if [ "$(id -u)" -eq 0 ]; then config=/etc/pip.conf; else config=${XDG_CONFIG_HOME:-${HOME:?}/.config}/pip/pip.conf; fi
fi
mkdir -p "$(dirname "$config")"
printf '[global]\nindex-url = %s\n' "$feed" >"$config"
chmod 644 "$config"

# One line for the feed's host, in place of an earlier entry; the new file takes the old one's place in one go.
# A cluster may install libraries as a user of that name, who then needs the token too.
signed_in() {
    FEED=$feed NETRC_FILE=$1/.netrc python3 - <<'PYTHON'
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

file, host = Path(os.environ["NETRC_FILE"]), urlsplit(os.environ["FEED"]).hostname
text = file.read_text() if file.exists() else ""
others = re.sub(rf"(?ms)^\s*machine\s+{re.escape(host)}\s.*?(?=^\s*(?:machine|default|macdef)\b|\Z)", "", text)
made = file.with_name(f".netrc.{os.getpid()}")
made.touch(mode=0o600)
# In front: what comes after a `default` is never looked at.
made.write_text(f"machine {host} login build password {os.environ['ADO_PAT']}\n{others}")
if os.getuid() == 0:
    owner = file.parent.stat()
    os.chown(made, owner.st_uid, owner.st_gid)
made.replace(file)
PYTHON
}
home=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
signed_in "$home"
if [ "$(id -u)" -eq 0 ] && home=$(getent passwd libraries | cut -d: -f6) && [ -d "$home" ]; then
    signed_in "$home"
fi
echo "pip installs from $feed: $config"
