#!/usr/bin/env bash
# Validate, then deploy, a Databricks Asset Bundle to one of its targets. BUNDLE_PATH is the bundle's folder (default:
# the current one if it is a bundle, else the hub's own, infra/bundle).
#
# TOKEN is a Databricks token; `-` reads it from standard input, which keeps it out of the list of processes. Where it is
# empty the Databricks CLI signs in as DATABRICKS_AUTH_TYPE says, by default with the Azure CLI's identity, which in a
# pipeline comes from workload identity federation.
set -euo pipefail
usage() {
    [ $# -eq 0 ] || echo "deploy_bundle.sh: $1" >&2
    echo "usage: deploy_bundle.sh TARGET [BUNDLE_PATH] HOST TOKEN|-|''" >&2
    exit 2
}
case $# in
3)
    [ -f databricks.yml ] || cd "$(dirname "${BASH_SOURCE[0]}")/../infra/bundle"
    target=$1 bundle=. host=$2 token=$3
    ;;
4) target=$1 bundle=$2 host=$3 token=$4 ;;
*) usage ;;
esac
[ -n "$target" ] || usage "TARGET is empty"
[ -n "$host" ] || usage "HOST is empty"
[[ $token != http*://* ]] || usage "HOST stands where the token belongs"
[ -d "$bundle" ] || usage "no folder $bundle"
[ "$token" != - ] || token=$(cat)
cd "$bundle"

# The Databricks CLI refuses to choose between two ways to sign in, so the environment names one. An environment,
# unlike arguments, is not seen by other users.
export DATABRICKS_HOST=$host
if [ -n "$token" ]; then
    export DATABRICKS_TOKEN=$token DATABRICKS_AUTH_TYPE=pat
else
    unset DATABRICKS_TOKEN
    export DATABRICKS_AUTH_TYPE=${DATABRICKS_AUTH_TYPE:-azure-cli}
fi
databricks bundle validate -t "$target"
databricks bundle deploy -t "$target"
