"""Bodies of storage queue messages: JSON, plain or in base64."""

import base64


def decode_body(content: str | None) -> str:
    """The JSON text in a message; what is neither JSON-like nor base64 comes back as it is, an empty message as ''."""
    text = content or ""
    if text.lstrip()[:1] in ("{", "["):
        return text
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except ValueError:  # no base64 (binascii.Error, or not ASCII at all), or none of UTF-8
        return text
