"""Quality rules: `name: SQL expression; …`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_core.errors import Rejected
from hub_core.quality import Rule, parse_rules


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


@given(st.text(max_size=60))
def test_any_text_is_rules_or_rejected(text: str) -> None:
    try:
        rules = parse_rules(text)
    except Rejected:
        return
    assert all(rule.name and rule.expression for rule in rules)
