"""What a quality rule may say: one Boolean expression over a record's columns, of operators and functions listed here.

A rule is run by the loader with the loader's rights, and it comes from a spoke's CSV. So the expression is parsed, and
what isn't known to be harmless is refused: subqueries, functions of the user, functions that reach out of the record
(`reflect`, `java_method`, `read_files`, `secret`, `ai_query`, `http_request`, …), and what differs from run to run.
"""

import logging
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.tokens import Token

DIALECT = "databricks"
MAX_LENGTH = 4_000
MAX_NESTED = 40
"""Brackets inside one another."""
MAX_PADDED = 10_000
"""Characters that `lpad` and `rpad` may make of one value."""
MAX_NESTED_TYPES = 3
"""Calls inside one another that are named like types: for each, the parser tries what it holds twice over."""


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


FUNCTIONS = _words(
    # numbers
    "abs bround ceil ceiling exp floor greatest isnan least ln log log10 log2 mod negative pmod positive pow power",
    "round sign signum sqrt try_add try_divide try_mod try_multiply try_subtract width_bucket",
    # text
    "ascii bit_length btrim char_length character_length concat concat_ws contains endswith find_in_set initcap instr",
    "is_valid_utf8 lcase left length levenshtein locate lower lpad ltrim luhn_check octet_length overlay position",
    "regexp regexp_count regexp_extract regexp_instr regexp_like regexp_replace regexp_substr replace reverse right",
    "rlike rpad rtrim split split_part startswith substr substring substring_index translate trim try_url_decode",
    "ucase upper url_decode",
    # absence and choice
    "coalesce equal_null if ifnull isnotnull isnull nullif nullifzero nvl nvl2 zeroifnull",
    # types
    "bigint boolean cast char date dec decimal double float int numeric smallint string timestamp tinyint to_date",
    "to_number to_timestamp try_cast try_to_date try_to_number try_to_timestamp typeof varchar",
    # dates
    "add_months date_add date_diff date_format date_part date_sub date_trunc dateadd datediff day dayofmonth dayofweek",
    "dayofyear extract from_unixtime hour last_day make_date minute month months_between next_day quarter second",
    "timestamp_micros timestamp_millis timestamp_seconds to_unix_timestamp trunc unix_date unix_timestamp weekday",
    "weekofyear year",
    # nested values
    "array array_contains array_size cardinality element_at get get_json_object map_contains_key named_struct",
    "parse_json size struct try_element_at try_parse_json",
)
"""By name, in lower case. None reads anything but its arguments, and each gives the same again for the same."""

_BEFORE_A_PARENTHESIS = _words(
    "all and any between case distinct div else ilike in is like not on or regexp rlike then when where xor"
)
"""Operators, which may stand before a parenthesis and call nothing."""

_CALLED_WITHOUT = _words(
    "current_catalog current_date current_database current_schema current_time current_timestamp current_timezone",
    "current_user localtimestamp session_user user",
)
"""Functions that SQL calls without a parenthesis."""


def problem_of(expression: str) -> str | None:
    """Why `expression` is no rule, in words; None where it may be run."""
    if len(expression) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH:,} characters"
    try:
        return next(_problems(expression), None)
    except Exception as error:  # noqa: BLE001 — of text that is no SQL, sqlglot raises whatever its code ran into
        said = next(iter(str(error).splitlines()), "") or type(error).__name__
        return f"is no SQL expression: {said[:200]}"


def _problems(expression: str) -> Iterator[str]:
    """In the order in which they have to be looked for: what is nested deep is not parsed at all."""
    import sqlglot

    if "${" in expression:
        yield "holds ${, which Spark fills in from its settings and its environment"
    # What it can't parse it also warns of, in words of its own.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    tokens = list(sqlglot.tokenize(expression, read=DIALECT))
    yield from _strange_calls(tokens)
    yield from _deep_brackets(tokens)
    trees = sqlglot.parse(expression, read=DIALECT)
    if len(trees) != 1 or trees[0] is None:
        yield "is not one expression"
    else:
        yield from _strange_parts(trees[0])


def _strange_calls(tokens: "list[Token]") -> Iterator[str]:
    """Whatever is called, by the names as they are written: none may depend on how a parser understands it."""
    from sqlglot.tokens import TokenType

    for before, token, following in zip([None, *tokens[:-1]], tokens, [*tokens[1:], None], strict=True):
        if token.comments:
            yield "holds a comment"
        if token.text.lower() in _CALLED_WITHOUT and token.token_type not in (TokenType.IDENTIFIER, TokenType.STRING):
            yield f"calls {token.text}, which is not among the functions of rules; a column is named `{token.text}`"
        if following is None or following.token_type is not TokenType.L_PAREN:
            continue
        quoted = token.token_type is TokenType.IDENTIFIER
        is_name = quoted or token.text[:1].isalpha() or token.text[:1] == "_"
        name = token.text.lower()
        qualified = before is not None and before.token_type is TokenType.DOT
        if is_name and (quoted or qualified or name not in FUNCTIONS | _BEFORE_A_PARENTHESIS):
            yield f"calls {token.text}(), which is not among the functions of rules"


def _deep_brackets(tokens: "list[Token]") -> Iterator[str]:
    from sqlglot import Dialect
    from sqlglot.tokens import TokenType

    types = Dialect.get_or_raise(DIALECT).parser_class.TYPE_TOKENS
    opening = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE)
    closing = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE)
    of_types: list[bool] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.token_type in opening:
            of_types.append(before is not None and before.token_type in types)
        elif token.token_type in closing and of_types:
            of_types.pop()
        if len(of_types) > MAX_NESTED:
            yield f"has more than {MAX_NESTED} brackets inside one another"
        if sum(of_types) > MAX_NESTED_TYPES:
            yield f"has more than {MAX_NESTED_TYPES} calls of types, like date() or struct(), inside one another"


def _strange_parts(tree: "exp.Expression") -> Iterator[str]:
    from sqlglot import exp

    allowed, containers = _allowed()
    for node in tree.walk():
        if not isinstance(node, allowed) or isinstance(node, containers):
            yield f"holds {node.key.upper()}, which a rule may not"
        if isinstance(node, exp.Pad) and not _is_up_to(node.expression, MAX_PADDED):
            yield f"pads to a length that is not written out, or is more than {MAX_PADDED:,}"
    if not any(node.key == "column" for node in tree.walk()):
        yield "names no column"


def _is_up_to(node: "exp.Expression | None", most: int) -> bool:
    return node is not None and node.is_int and int(node.name or 0) <= most


@cache
def _allowed() -> "tuple[tuple[type[exp.Expression], ...], tuple[type[exp.Expression], ...]]":
    """The kinds of nodes that a rule is made of, and those among them that it isn't."""
    from sqlglot import exp

    made_of = (
        exp.Binary, exp.Unary, exp.Func, exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Between,
        exp.In, exp.If, exp.DataType, exp.DataTypeParam, exp.Interval, exp.Var, exp.Tuple, exp.Bracket, exp.JSONPath,
        exp.JSONPathPart, exp.PropertyEQ,
    )  # fmt: skip
    aggregates = (exp.AggFunc, exp.Unnest, exp.UDTF, exp.Query, exp.Parameter, exp.Placeholder)
    return made_of, aggregates
