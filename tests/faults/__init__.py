"""Exactly once, proved by killing: loaders, and Spark under them, at every step and in between."""

import pytest

pytest.register_assert_rewrite("tests.faults.deliveries")
