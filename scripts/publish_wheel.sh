#!/usr/bin/env bash
# Publish the wheel in WHEELS (a folder or a file; default: dist) to the index FEED_URL. What the index has already, with
# the same content, is no error; the same version with other content is.
#
# FEED_URL is an Azure Artifacts feed (…/pypi/upload/ or …/pypi/simple/) or the root of another index server, which takes
# uploads there and lists below simple/; with simple/ at its end it means the same. TOKEN is a token that may upload; `-`
# reads it from standard input, which keeps it out of the list of processes, where other users of a machine see arguments.
set -euo pipefail
if [ $# -lt 2 ] || [ $# -gt 3 ] || [ -z "$1" ]; then
    echo "usage: publish_wheel.sh FEED_URL TOKEN|- [WHEELS]" >&2
    exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
feed=${1%/}
token=$2
[ "$token" != - ] || token=$(cat)
if [ -z "$token" ]; then
    echo "publish_wheel.sh: the token is empty" >&2
    exit 2
fi

wheels=${3:-$root/dist}
[ ! -d "$wheels" ] || wheels=$(echo "$wheels"/deltalake_hub-*.whl)
if [ ! -f "$wheels" ]; then
    echo "publish_wheel.sh: ${3:-dist} does not hold one wheel of the hub: $wheels" >&2
    exit 2
fi

case $feed in
*/pypi/upload | */pypi/simple)
    upload=${feed%/*}/upload/
    index=${feed%/*}/simple/
    ;;
*/simple)
    upload=${feed%/*}/
    index=$feed/
    ;;
*)
    upload=$feed/
    index=$feed/simple/
    ;;
esac

uv=$root/.tools/uv/bin/uv
[ -x "$uv" ] || uv=uv
# By environment: other users see a process's arguments, not its environment. Any user name does for Azure Artifacts.
export UV_PUBLISH_USERNAME=${FEED_USER:-__token__} UV_PUBLISH_PASSWORD=$token
# A feed wants the token for reading too, and uv sends that of the upload to no other address.
UV_PUBLISH_CHECK_URL=$(INDEX=$index python3 -c 'import os
from urllib.parse import quote
scheme, rest = os.environ["INDEX"].split("://", 1)
user, token = (quote(os.environ[f"UV_PUBLISH_{name}"], safe="") for name in ("USERNAME", "PASSWORD"))
print(f"{scheme}://{user}:{token}@{rest}")')
export UV_PUBLISH_CHECK_URL
"$uv" publish --no-cache --no-progress --trusted-publishing never --publish-url "$upload" "$wheels" || exit 1
