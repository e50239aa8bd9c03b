"""The operators' page as it is served: what its headers let run, and what is not in it."""

import base64
import hashlib
import re

import pytest

from function_app.page import PARTS, operators_page

PAGE = operators_page()
POLICY = dict(part.split(" ", 1) for part in PAGE.headers["Content-Security-Policy"].split("; "))


def inline(tag: str) -> str:
    [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", PAGE.html, re.DOTALL)
    return text


@pytest.mark.parametrize("tag", ["script", "style"])
def test_the_policy_lets_in_the_one_text_that_is_there_by_its_hash(tag: str) -> None:
    digest = base64.b64encode(hashlib.sha256(inline(tag).encode()).digest()).decode()
    assert POLICY[f"{tag}-src"] == f"'sha256-{digest}'"
    assert PAGE.html.count(f"<{tag}") == 1


def test_the_policy_lets_in_nothing_else() -> None:
    nothing = {"default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types"}
    assert {name: POLICY[name] for name in nothing} == dict.fromkeys(nothing, "'none'")
    assert POLICY["connect-src"] == "'self'"
    assert "unsafe" not in PAGE.headers["Content-Security-Policy"]


def test_it_is_not_guessed_not_framed_not_told_of_and_not_kept_unasked() -> None:
    assert PAGE.headers["X-Content-Type-Options"] == "nosniff"
    assert PAGE.headers["Referrer-Policy"] == "no-referrer"
    assert PAGE.headers["Cache-Control"] == "no-cache"


def test_it_names_no_other_host_and_makes_no_markup_of_data() -> None:
    others = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s'\"]*", PAGE.html))
    assert others == {"http://www.w3.org/2000/svg"}, "the icon's namespace is a name, nothing is fetched by it"
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|localStorage|"
                         r"\bon\w+=", PAGE.html)  # fmt: skip


def test_every_part_is_in_it_and_no_line_ending_would_change_a_hash() -> None:
    for part in PARTS.iterdir():
        text = part.read_text("utf-8")
        assert b"\r" not in part.read_bytes()
        assert part.name == "page.html" or text in PAGE.html, part.name
    assert "{{" not in re.sub(r"\$\{\{", "", PAGE.html)
