#!/usr/bin/env bash
# Put a spoke's CSV under HUB_CONFIG_ROOT as <lob>_config.csv, where the hub's next load reads it. `hubctl config check`
# comes first: with a bad row nothing is put. `az` is signed in as one who may write to the container.
set -euo pipefail
usage() {
    [ $# -eq 0 ] || echo "publish_config.sh: $1" >&2
    echo "usage: publish_config.sh CONFIG_CSV LOB CONFIG_ROOT" >&2
    exit 2
}
[ $# -eq 3 ] || usage
config=$1 lob=$2 root=$3
[ -f "$config" ] || usage "no file $config"
pattern='^abfss://([^@/]+)@([^./]+)\.dfs\.[^/]+(/(.*))?$'
[[ $root =~ $pattern ]] || usage "CONFIG_ROOT is not like abfss://config@account.dfs.core.windows.net/: $root"
container=${BASH_REMATCH[1]} account=${BASH_REMATCH[2]} folder=${BASH_REMATCH[4]%/}

hubctl config check "$config" --lob "$lob"
az storage blob upload --auth-mode login --account-name "$account" --container-name "$container" \
    --name "${folder:+$folder/}${lob}_config.csv" --file "$config" --overwrite --only-show-errors --output none
