"""The operators' page: one document with its style and its script inside, and the headers that let nothing else run."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PARTS = Path(__file__).parent / "ui"
STYLE = "page.css"
SCRIPTS = ("dom.js", "service.js", "views.js", "load.js", "page.js")
"""In the order in which they build on each other; together they are one script."""


@dataclass(frozen=True, slots=True)
class Page:
    """What `GET ui` answers: the same for everyone, and without data."""

    html: str
    headers: Mapping[str, str]


@cache
def operators_page() -> Page:
    """The page, read once. Its policy names style and script by their hashes, so no other text is ever run."""
    style = _part(STYLE)
    script = "".join(map(_part, SCRIPTS))
    head, _, rest = _part("page.html").partition("{{style}}")
    body, _, end = rest.partition("{{script}}")
    policy = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        # Kept, but asked for again each time: a release is seen at once.
        "Cache-Control": "no-cache",
    }
    return Page(f"{head}{style}{body}{script}{end}", headers)


def _part(name: str) -> str:
    return (PARTS / name).read_text("utf-8")


def _hash(text: str) -> str:
    """The source expression by which CSP lets this inline text in."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
