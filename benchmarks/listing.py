"""A stand-in for the List Blobs call: blobs that nobody uploaded, for a `Proxy` before a real blob endpoint.

Answers `GET /ACCOUNT/CONTAINER?restype=container&comp=list` below one prefix, page by page, flat or by a delimiter, as
https://learn.microsoft.com/rest/api/storageservices/list-blobs has it; everything else goes to the endpoint behind it.
"""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape

from local_stack.proxy import Answer, Asked

_PAGE = 5_000
SIZE, ETAG, MODIFIED = 1_000, "0x8DC000000000000", datetime(2026, 3, 2, 6, tzinfo=UTC)
"""Of each blob."""
_BLOB = (
    "<Blob><Name>{name}</Name><Properties><Creation-Time>{modified}</Creation-Time>"
    "<Last-Modified>{modified}</Last-Modified><Etag>{etag}</Etag><Content-Length>{size}</Content-Length>"
    "<Content-Type>text/csv</Content-Type><BlobType>BlockBlob</BlobType><LeaseStatus>unlocked</LeaseStatus>"
    "<LeaseState>available</LeaseState></Properties><Metadata/></Blob>"
)
_HTTP_DATE = format_datetime(MODIFIED, usegmt=True)


class Listing:
    """`names` are all that lies below `prefix` in its container."""

    def __init__(self, prefix: str, names: Iterable[str]) -> None:
        self._prefix = prefix
        self._names = sorted(names)
        self.calls = 0
        """List Blobs calls that were answered."""

    def answer(self, asked: Asked) -> Answer | None:
        """One page; None where the endpoint behind has to answer."""
        query = asked.query
        prefix = query.get("prefix", "")
        if query.get("comp") != "list" or not prefix.startswith(self._prefix):
            return None
        self.calls += 1
        limit = int(query.get("maxresults", _PAGE))
        entries, marker = self._page(prefix, query.get("delimiter", ""), query.get("marker", ""), limit)
        body = "".join(map(_entry, entries))
        # The SDK takes prefix and size of the next page from the answer.
        page = (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Prefix>{escape(prefix)}</Prefix>'
            f"<MaxResults>{limit}</MaxResults><Blobs>{body}</Blobs><NextMarker>{escape(marker)}</NextMarker>"
            "</EnumerationResults>"
        )
        return 200, [("Content-Type", "application/xml")], page.encode()

    def _page(self, prefix: str, delimiter: str, marker: str, limit: int) -> tuple[list[tuple[str, bool]], str]:
        """Names and whether each is a folder, and the name that the next page begins with."""
        place = bisect_left(self._names, max(prefix, marker))
        found: list[tuple[str, bool]] = []
        while place < len(self._names) and (name := self._names[place]).startswith(prefix):
            if len(found) == limit:
                return found, name
            cut = name.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                found.append((name, False))
                place += 1
            else:
                folder = name[: cut + len(delimiter)]
                found.append((folder, True))
                # The first name that does not begin with the folder's.
                place = bisect_left(self._names, folder + "\U0010ffff")
        return found, ""


def _entry(named: tuple[str, bool]) -> str:
    name, folder = escape(named[0]), named[1]
    if folder:
        return f"<BlobPrefix><Name>{name}</Name></BlobPrefix>"
    return _BLOB.format(name=name, modified=_HTTP_DATE, etag=ETAG, size=SIZE)
