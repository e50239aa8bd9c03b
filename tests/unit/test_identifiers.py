"""Names of SQL objects: one function quotes them, and refuses what isn't one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_core.errors import Broken
from hub_core.identifiers import is_identifier, quote, quote_column, quote_table


def test_parts_are_quoted_each() -> None:
    assert quote("main", "falcon_bronze", "credit-raw") == "`main`.`falcon_bronze`.`credit-raw`"
    assert quote_table("main.falcon_bronze.t") == "`main`.`falcon_bronze`.`t`"


@pytest.mark.parametrize("name", ["", "1a", "a b", "a.b", "a`b", "a;b", "a\n", "é", "a" * 256, "-a", "$a", "a{b}"])
def test_what_is_no_identifier_is_refused(name: str) -> None:
    assert not is_identifier(name)
    with pytest.raises(Broken):
        quote("main", name)


@pytest.mark.parametrize("dotted", ["t", "s.t", "a.b.c.d", "", "a..c", "a.b.c`; DROP TABLE x"])
def test_a_table_has_exactly_three_parts(dotted: str) -> None:
    with pytest.raises(Broken):
        quote_table(dotted)


@given(st.text())
def test_a_column_may_have_any_name_and_stays_one_column(name: str) -> None:
    quoted = quote_column(name)
    assert quoted[0] == quoted[-1] == "`"
    assert quoted[1:-1].replace("``", "`") == name
