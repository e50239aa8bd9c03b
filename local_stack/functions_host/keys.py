"""Who may call: keys by header or query, compared in constant time."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from local_stack.functions_host.index import AuthLevel


@dataclass(frozen=True, slots=True)
class Keys:
    """The function key and the master key, which opens everything."""

    function: str
    master: str

    def allow(self, level: AuthLevel, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        """Whether the request may pass at this level; the header wins over the query, as in the real host."""
        if level is AuthLevel.ANONYMOUS:
            return True
        given = (headers.get("x-functions-key") or query.get("code") or "").encode("utf-8", "surrogateescape")
        master = hmac.compare_digest(given, self.master.encode())
        function = hmac.compare_digest(given, self.function.encode())
        return master or (function and level is AuthLevel.FUNCTION)
