"""What a quality rule may say, and what it may not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_core.rule_grammar import MAX_NESTED, problem_of

RULES = [
    "amount > 0",
    "CAST(amount AS INT) > 0",
    "amount::double > 0",
    "name <> ''",
    "x <> ';' AND y = 'a:b'",
    "`a;b` = 1",
    "y IS NOT NULL",
    "x IN ('a','b')",
    "x NOT IN (1,2)",
    "length(trim(name)) BETWEEN 1 AND 20",
    "name RLIKE '^[A-Z]+$'",
    "to_date(d, 'yyyyMMdd') IS NOT NULL",
    "try_cast(a AS DECIMAL(10,2)) >= 0",
    "CASE WHEN a = 'x' THEN b > 1 ELSE true END",
    "coalesce(a, b) IS NOT NULL",
    "NOT (a = 1 OR b = 2)",
    "d >= DATE'2020-01-01'",
    "date_add(to_date(a), 3) < to_date(b)",
    "a % 2 = 0",
    "-a < 3",
    "a <=> b",
    "size(split(a, ',')) = 3",
    "`unit price (EUR)` > 0",
    "a.b > 1",
    "a[0] = 1",
    "isnotnull(a)",
    "amount BETWEEN 0 AND 1e6",
    "upper(name) LIKE 'A%'",
    "a || b <> ''",
    "x <> 'it''s; so'",
    'x <> "a;b"',
    "regexp_like(a, '\\\\d+')",
    "amount IS NULL OR amount > 0",
    "if(a = 1, b > 0, true)",
    "a:b > 1",
    "year(to_date(d)) = 2013",
    "datediff(to_date(a), to_date(b)) > 0",
    "ilike(a,'x')",
    "a ILIKE 'x%'",
    "nvl(a, '') <> ''",
    "extract(YEAR FROM d) > 3",
    "d + INTERVAL 3 DAYS > e",
    "a IS DISTINCT FROM b",
    "substring(a FROM 1 FOR 2) = 'x'",
    "lpad(a, 5, '0') = a",
    "`user` <> ''",
]
NO_RULES = [
    "exists (select 1)",
    "a in (select b from t)",
    "(select max(a) from t) > 1",
    "reflect('java.lang.System','exit',1)",
    "java_method('a','b')",
    "read_files('x')",
    "secret('a','b') = a",
    "ai_query('a', b)",
    "ai_classify(a, array('x')) = 'x'",
    "http_request(a)",
    "my_udf(a)",
    "cat.sch.udf(a)",
    "`reflect`('a')",
    "rand() > a",
    "uuid() = a",
    "current_user() = a",
    "drop table x",
    "select 1",
    "a > 0; drop table x",
    "count(a) > 1",
    "sum(a) over () > 1",
    "max(a) > 1",
    "1 = 1",
    "true",
    "a > :p",
    "a > ?",
    "a > @v",
    "a > ${x}",
    "a; b",
    "input_file_name() = a",
    "spark_partition_id() = a",
    "transform(a, x -> reflect(x))",
    "a = 1) OR (1 = 1",
    "a = {fn reflect(a)}",
    "java_method ('x') = a",
    "reflect/**/('x')=a",
    "current_timestamp > a",
    "session_user = a",
    "user <> 'x'",
    "lpad(a, 2000000000, 'x') <> ''",
    "rpad(a, b, 'x') <> ''",
    "lpad(a, 1e9) <> ''",
    "current_catalog() = a",
    "a = (table t)",
    "a > 0 limit 1",
    "a > 0 union select 1",
    "a = b from x",
    "a = 1 where b",
    "* = a",
    "a as b",
    "set x = 1",
    "a.reflect(1)",
    "try_reflect(a)",
    "cast(a as int) = ai_gen('x')",
    "explode(a)",
    "identifier('a.b') = 1",
    "a LIKE ANY (select 1)",
    "/*+ x */ a = 1",
    "a = 1 ESCAPE",
    "values (1)",
    "with x as (select 1) select * from x",
    "describe t",
    "sleep(a)",
    "x -- c",
    "a = 1 /* c */",
    "'a' > 1 ",
    "a = 1" + " + 1" * 2_000,
]


@pytest.mark.parametrize("expression", RULES)
def test_conditions_on_a_records_columns_are_rules(expression: str) -> None:
    assert problem_of(expression) is None


@pytest.mark.parametrize("expression", NO_RULES)
def test_whatever_reaches_out_of_the_record_is_none(expression: str) -> None:
    assert problem_of(expression)


@pytest.mark.parametrize(
    "name", ["reflect", "ai_query", "http_request", "my_udf", "main.s.udf", "main.s.abs", "`s`.trim", "`REFLECT`"]
)
@pytest.mark.parametrize("around", ["{}", "coalesce(a, {})", "a IN (1, {})", "CASE WHEN a THEN {} END", "a[{}]", "-{}"])
def test_a_call_is_found_wherever_it_stands(name: str, around: str) -> None:
    assert "not among the functions of rules" in str(problem_of(around.format(f"{name}(a)") + " = 1"))


@given(st.text(max_size=80) | st.text(alphabet="a1 ()'\"`=<>,.;:-*/|&{}[]@$?\\\n", max_size=40))
def test_any_text_is_a_rule_or_has_a_problem_in_words(text: str) -> None:
    assert problem_of(text) is None or problem_of(text)


@pytest.mark.parametrize(
    "expression",
    [
        "date_trunc() > 1",
        "a > INTERVAL 1e",
        "a:float(b)",
        "struct(x -> 1e)",
        "a LIKE",
        "case",
        "extract()",
    ],
)
def test_whatever_the_parser_stumbles_over_is_a_problem_in_words(expression: str) -> None:
    assert problem_of(expression)


@pytest.mark.parametrize("name", ["date(", "struct(", "decimal(", "INT(", "array[", "abs(date("])
def test_calls_of_types_nested_deep_are_refused_before_they_are_parsed(name: str) -> None:
    closing = "".join(")" if char == "(" else "]" for char in reversed(name) if char in "([")
    start = time.perf_counter()
    problem = problem_of(name * 20 + "a" + closing * 20 + " IS NOT NULL")
    assert time.perf_counter() - start < 0.5
    assert problem == "has more than 3 calls of types, like date() or struct(), inside one another"


def test_three_calls_of_types_inside_one_another_are_a_rule_however_often() -> None:
    nest = "date(timestamp(string(a))) > b"
    assert problem_of(" AND ".join([nest] * 100)) is None


def test_brackets_nested_deep_are_refused() -> None:
    assert problem_of("(" * MAX_NESTED + "a" + ")" * MAX_NESTED + " > 1") is None
    deeper = MAX_NESTED + 1
    assert problem_of("(" * deeper + "a" + ")" * deeper + " > 1") == "has more than 40 brackets inside one another"


@pytest.mark.parametrize("expression", ["x = '${env:HOME}'", "x = '${spark.secret}'", "`a${b}` > 1"])
def test_what_spark_would_fill_in_from_its_environment_is_refused(expression: str) -> None:
    assert problem_of(expression) == "holds ${, which Spark fills in from its settings and its environment"


def test_a_call_that_no_rule_may_make_is_named_even_where_the_rest_is_no_sql() -> None:
    assert problem_of("reflect(a) > >") == "calls reflect(), which is not among the functions of rules"
