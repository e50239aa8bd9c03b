"""Which service is meant and with which key: options, then the environment, then a local stack's `stack.json`."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from hubctl.documents import Json, text
from hubctl.failures import Refused

STACK_FILE = Path(".local") / "stack.json"


@dataclass(frozen=True, slots=True)
class Target:
    """The service's base address, ending in `/api/`, the function key and the caller's bearer token (in no repr)."""

    url: str
    key: str | None = field(repr=False, default=None)
    token: str | None = field(repr=False, default=None)


def find_target(url: str | None, key: str | None, token: str | None = None, stack_file: Path = STACK_FILE) -> Target:
    """The service that `url`, `key` and `token` (already from option or environment) mean; Refused if there is none.

    A local stack's key goes to that stack only, never to another `url`.
    """
    stack = read_stack(stack_file)
    local = text(stack, "functions_url")
    if url is None and not local:
        raise Refused(
            "no service is named",
            remedy=f"give --url or HUB_URL, or start one with `hubctl up` (it writes {stack_file})",
        )
    base = base_url(url if url is not None else local)
    key = (key or "").strip()
    if not key and local and base == base_url(local):
        key = text(stack, "function_key")
    if not is_header_value(key):
        raise Refused("the function key holds a character that no key has", remedy="is HUB_KEY the key, and whole?")
    token = (token or "").strip()
    if not is_header_value(token):
        raise Refused("the token holds a character that no token has", remedy="is HUB_TOKEN the token, and whole?")
    return Target(base, key or None, token or None)


def is_header_value(value: str) -> bool:
    """Whether `value` can stand in a header as it is."""
    return value.isascii() and value.isprintable() and value == value.strip()


def base_url(url: str) -> str:
    """`url` with `/api/` at its end; Refused if it is no plain http(s) address."""
    import httpx

    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
        httpx.URL(url)  # raises where the host is none
    except (ValueError, httpx.InvalidURL) as error:
        raise Refused(f"--url is no address: {error}", remedy="write e.g. https://my-hub.azurewebsites.net") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused("--url is not an http(s) address", remedy="write e.g. https://my-hub.azurewebsites.net")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise Refused(
            "--url holds more than an address", remedy="leave out ?code=… and user names; put the key into HUB_KEY"
        )
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path if path.endswith('/api') else path + '/api'}/"


def read_stack(stack_file: Path = STACK_FILE) -> Json:
    """The local stack's addresses, or nothing where there is no readable file."""
    try:
        stack = json.loads(stack_file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stack if isinstance(stack, dict) else {}
