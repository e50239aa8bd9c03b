#!/usr/bin/env bash
# Run the tests of the project in the current folder, the hub's or a spoke's; junit.xml and coverage.xml (Cobertura) go
# to RESULTS (default: test-results). What follows RESULTS goes to pytest. The exit code is pytest's: 1 for failed tests.
set -euo pipefail
results=${1:-test-results}
case $results in
-*)
    echo "usage: run_tests.sh [RESULTS] [PYTEST_ARGUMENT…]" >&2
    exit 2
    ;;
esac
[ $# -eq 0 ] || shift
mkdir -p "$results"

python=.venv/bin/python
[ -x "$python" ] || python=python
if ! "$python" -c 'import pytest, pytest_cov'; then
    echo "run_tests.sh: $python has no pytest and pytest-cov: install both" >&2
    exit 3
fi
exec "$python" -m pytest --junitxml="$results/junit.xml" --cov --cov-report="xml:$results/coverage.xml" \
    --cov-report=term "$@"
