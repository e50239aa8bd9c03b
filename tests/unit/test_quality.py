"""Quality rules: `name: SQL expression; …`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_core.errors import Rejected
from hub_core.quality import RowCountRule, Rule, UniqueRule, parse_rules


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", ()),
        (" ; ;", ()),
        ("positive: amount > 0", (Rule("positive", "amount > 0"),)),
        ("a: x > 0; b: y IS NOT NULL;", (Rule("a", "x > 0"), Rule("b", "y IS NOT NULL"))),
        ("cast: amount::double > 0", (Rule("cast", "amount::double > 0"),)),
        ("s: x <> ';' AND y = 'a:b'", (Rule("s", "x <> ';' AND y = 'a:b'"),)),
        ("s: x <> 'it''s; so'; t: `a;b` = 1", (Rule("s", "x <> 'it''s; so'"), Rule("t", "`a;b` = 1"))),
        ('s: x <> "a;b"', (Rule("s", 'x <> "a;b"'),)),
        (r"s: x <> 'it\'s; so'; t: y = 'a\\'", (Rule("s", r"x <> 'it\'s; so'"), Rule("t", r"y = 'a\\'"))),
    ],
)
def test_rules_are_split_at_semicolons_outside_quotes(text: str, rules: tuple[Rule, ...]) -> None:
    assert parse_rules(text) == rules


@pytest.mark.parametrize(
    "text", ["amount > 0", "a:", ": x > 0", "1a: x", "a b: x", "a: x; a: y", "a: x = 'open", "é: x", f"{'a' * 65}: x"]
)
def test_a_rule_without_a_name_of_its_own_or_an_expression_is_rejected(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse_rules(text)
    assert refused.value.code == "BAD_RULE"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("enough: row_count >= 100", RowCountRule("enough", "row_count >= 100")),
        ("enough: ROW_COUNT<5", RowCountRule("enough", "ROW_COUNT<5")),
        ("key: unique(id)", UniqueRule("key", "unique(id)", ("id",))),
        ("key: UNIQUE ( id , `the day` )", UniqueRule("key", "UNIQUE ( id , `the day` )", ("id", "the day"))),
        ("key: unique(`a``b`)", UniqueRule("key", "unique(`a``b`)", ("a`b",))),
        ("own: `row_count` >= 5", Rule("own", "`row_count` >= 5")),
    ],
)
def test_a_rule_may_be_over_the_file_as_a_whole(text: str, rule: object) -> None:
    assert parse_rules(text) == (rule,)


@pytest.mark.parametrize(
    "text",
    ["e: row_count >= many", "e: row_count", "e: row_count > -1", "e: row_count > 1 AND x > 0", "u: unique()",
     "u: unique(id + 1)", "u: unique(id", "u: NOT unique(id)", "u: unique(*)", "u: row_count IS NOT NULL"],
)  # fmt: skip
def test_what_only_looks_like_a_rule_over_a_file_is_rejected(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse_rules(text)
    assert refused.value.code == "BAD_RULE"


@pytest.mark.parametrize(
    ("comparison", "kept_by"),
    [(">= 2", {2, 3}), ("> 2", {3}), ("<= 2", {0, 1, 2}), ("< 2", {0, 1}), ("= 2", {2}), ("== 2", {2})],
)
def test_a_row_count_is_compared(comparison: str, kept_by: set[int]) -> None:
    rule = RowCountRule("n", f"row_count {comparison}")
    assert {count for count in range(4) if rule.holds(count)} == kept_by


@given(st.text(max_size=60))
def test_any_text_is_rules_or_rejected(text: str) -> None:
    try:
        rules = parse_rules(text)
    except Rejected:
        return
    assert all(rule.name and rule.expression for rule in rules)
