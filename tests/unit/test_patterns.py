"""Patterns: what a feed's `file_pattern` and a request's `file_name` mean, held against a naive oracle."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_core.patterns import compile_pattern, matches

CASES = [
    # pattern, path below source_path, matches
    ("sales_*.csv", "sales_1.csv", True),
    ("sales_*.csv", "sales_.csv", True),
    ("sales_*.csv", "xsales_1.csv", False),
    ("sales_*.csv", "sales_1.csv.gz", False),
    ("sales_*.csv", "SALES_1.csv", False),
    ("sales_*.csv", "2026/01/sales_1.csv", True),  # on the base name, in subfolders too
    ("2026/sales_*.csv", "2026/sales_1.csv", True),  # with a slash: on the path
    ("2026/sales_*.csv", "sales_1.csv", False),
    ("2026/sales_*.csv", "x/2026/sales_1.csv", False),
    ("*/sales.csv", "a/sales.csv", True),
    ("*/sales.csv", "a/b/sales.csv", False),
    ("**/sales.csv", "a/b/sales.csv", True),
    ("a/**", "a/b/c.csv", True),
    ("a/**/d.csv", "a/b/c/d.csv", True),
    ("**/a*", "x/a/ab", True),
    ("a?.csv", "ab.csv", True),
    ("a?.csv", "a.csv", False),
    ("a?b/c", "a/b/c", False),
    ("f[0-9].csv", "f7.csv", True),
    ("f[0-9].csv", "fx.csv", False),
    ("f[!0-9].csv", "fx.csv", True),
    ("f[!0-9].csv", "f7.csv", False),
    ("f[]].csv", "f].csv", True),
    ("f[!]].csv", "fx.csv", True),
    ("f[!]].csv", "f].csv", False),
    ("f[a-].csv", "f-.csv", True),
    ("f[+--]/x", "f//x", False),  # a set never takes a slash, whatever its range holds
    ("f[", "f[", True),
    ("a+b.(c)$|^{1}", "a+b.(c)$|^{1}", True),
    ("a.csv", "axcsv", False),
    ("a.csv", "a.csv\n", False),
    ("*", "a\nb", True),
    ("", "", True),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), CASES)
def test_a_pattern_means_what_its_table_says(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected


def test_a_requests_file_name_takes_brackets_literally() -> None:
    assert matches("f[0-9].csv", "f[0-9].csv", sets=False)
    assert not matches("f[0-9].csv", "f7.csv", sets=False)
    assert matches("f[*].c?v", "f[12].csv", sets=False)


@pytest.mark.parametrize("pattern", ["f[9-0].csv", "[z-a]"])
def test_a_set_that_runs_backwards_is_an_error_that_feeds_can_report(pattern: str) -> None:
    with pytest.raises(re.error):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 500 + "b", "a" * 1000),
        ("*" * 1000 + "b", "a" * 1000),
        ("**a*" * 250 + "b", "a" * 1000),
        ("?*" * 400 + "/b", "a" * 1000),
        ("[a-z]*" * 80 + "0", "a" * 1000),
    ],
)
def test_no_pattern_takes_long_on_a_long_name(pattern: str, path: str) -> None:
    start = time.perf_counter()
    assert not matches(pattern, path)
    assert time.perf_counter() - start < 2


def oracle(pattern: str, text: str) -> bool:
    """Character by character, with every way to go tried."""
    if pattern.startswith("**"):
        rest = pattern.lstrip("*")
        return any(oracle(rest, text[i:]) for i in range(len(text) + 1))
    if pattern.startswith("*"):
        within = len(text.split("/", 1)[0])
        return any(oracle(pattern[1:], text[i:]) for i in range(within + 1))
    if not pattern or not text:
        return pattern == text
    fits = text[0] != "/" if pattern[0] == "?" else text[0] == pattern[0]
    return fits and oracle(pattern[1:], text[1:])


@given(st.text("ab/*?", max_size=9), st.text("ab/", max_size=9))
def test_a_pattern_agrees_with_trying_every_way(pattern: str, path: str) -> None:
    subject = path if "/" in pattern else path.rsplit("/", 1)[-1]
    assert matches(pattern, path) is oracle(pattern, subject)


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_a_pattern_or_a_set_that_is_reported(pattern: str, path: str) -> None:
    try:
        matches(pattern, path)
    except re.error:
        assert "[" in pattern
    assert isinstance(matches(pattern, path, sets=False), bool)
