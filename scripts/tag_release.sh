#!/usr/bin/env bash
# Give COMMIT (default: HEAD) the Git tag v<version> on the remote `origin`. A tag that is there on this commit is no
# error; one on another commit is, for a version is published once.
set -euo pipefail
if [ $# -gt 1 ]; then
    echo "usage: tag_release.sh [COMMIT]" >&2
    exit 2
fi
commit=$(git rev-parse --verify "${1:-HEAD}^{commit}")
tag=v$(bash "$(dirname "${BASH_SOURCE[0]}")/version.sh")
# Of an annotated tag the second line, ^{}, is the commit.
there=$(git ls-remote --tags origin "refs/tags/$tag" "refs/tags/$tag^{}" | tail -1 | cut -f1)
if [ -z "$there" ]; then
    git push origin "$commit:refs/tags/$tag"
elif [ "$there" = "$commit" ]; then
    echo "$tag is on $commit already"
else
    echo "tag_release.sh: $tag is on $there already, not on $commit: a new version needs a new number" >&2
    exit 1
fi
