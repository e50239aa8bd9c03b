"""Bodies of storage queue messages: JSON, plain or in base64."""

import base64
import binascii


def decode_body(content: str) -> str:
    """The JSON text in a message; what is neither JSON-like nor base64 comes back as it is."""
    if content.lstrip()[:1] in ("{", "["):
        return content
    try:
        return base64.b64decode(content, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return content
