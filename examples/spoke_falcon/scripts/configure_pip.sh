#!/usr/bin/env bash
# Cluster init script: lets pip on the cluster install from the Azure Artifacts feed.
#
# The job clusters set two variables: HUB_FEED_URL, the feed's index, and ADO_PAT, a personal access token with the right
# Packaging (Read), from the secret scope ado-artifacts, key ado-pat. The token goes into pip's configuration
# (PIP_CONFIG_FILE; default: /etc/pip.conf), and nowhere else: not to the output, not into a command's arguments.
set -euo pipefail
set +x

if [[ ! ${HUB_FEED_URL:-} =~ ^https?://[^@[:space:]]+$ ]]; then
    echo "configure_pip.sh: HUB_FEED_URL must be the feed's URL, without credentials: '${HUB_FEED_URL:-}'" >&2
    exit 2
fi
if [[ ! ${ADO_PAT:-} =~ ^[A-Za-z0-9._~-]+$ ]]; then
    echo "configure_pip.sh: ADO_PAT is no token; is the key ado-pat in the secret scope ado-artifacts?" >&2
    exit 2
fi

config=${PIP_CONFIG_FILE:-/etc/pip.conf}
signed_in="${HUB_FEED_URL%%://*}://build:$ADO_PAT@${HUB_FEED_URL#*://}"
# Both lines are needed. A library with a `repo` is installed with --index-url, which takes the place of index-url and of
# its token; pip then finds the token at the extra index, the same feed. As index-url the feed keeps all other
# installations from the public index, which reaches through the feed as its upstream source.
# Databricks installs libraries as a user other than root, who must read this; the cluster is one principal's alone.
mkdir -p "$(dirname "$config")"
umask 022
printf '[global]\nindex-url = %s\nextra-index-url = %s\n' "$signed_in" "$signed_in" >"$config"
echo "pip installs from $HUB_FEED_URL: $config"
