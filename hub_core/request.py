"""A load request: from a body's bytes to the feeds it selects and the dates it means."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hub_core.errors import FieldError, Rejected
from hub_core.model import Feed

MAX_BODY_BYTES = 64 * 1024
MAX_NAME = 128
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of characters that steer and show nothing, or are none."""
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_REMEDIES = {
    "lob": "give the name of a configured LOB as a string, or leave it out",
    "category": "give a string of at most 128 characters, or leave it out",
    "subcategory": "give a string of at most 128 characters, or leave it out",
    "begin_date": "write YYYY-MM-DD, e.g. 2026-01-31, not after end_date",
    "end_date": "write YYYY-MM-DD, e.g. 2026-01-31, not before begin_date",
    "file_name": "give a base name, or a path below the feed's source_path; * and ? are allowed",
    "force": "write true or false, without quotes",
    "dry_run": "write true or false, without quotes",
}


def _or_absent(schema: dict[str, Any]) -> None:
    del schema["type"]
    schema["enum"] = [True, False, "", None]


class LoadRequest(BaseModel):
    """What a caller may ask for; an empty string means absent, since schedulers send those."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    lob: str | None = Field(None, max_length=MAX_NAME, examples=["falcon"])
    category: str | None = Field(None, max_length=MAX_NAME, examples=["transactions"])
    subcategory: str | None = Field(None, max_length=MAX_NAME, examples=["credit"])
    begin_date: str | None = Field(None, description="YYYY-MM-DD, inclusive, UTC", examples=["2026-01-01"])
    end_date: str | None = Field(None, description="YYYY-MM-DD, inclusive, UTC", examples=["2026-01-31"])
    file_name: str | None = Field(None, max_length=1024, examples=["transactions_20260131.csv"])
    force: bool = Field(
        False,
        description="take SUCCESS and QUARANTINED file versions again, and replace their rows",
        json_schema_extra=_or_absent,
    )
    dry_run: bool = Field(False, description="answer what would be loaded; write nothing", json_schema_extra=_or_absent)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        return {k: v for k, v in data.items() if k not in cls.model_fields or v not in ("", None)}

    @field_validator("lob", "category", "subcategory")
    @classmethod
    def _printable(cls, value: str | None) -> str | None:
        if value is not None and _has_unseen(value):
            raise ValueError("holds a control or an invisible character")
        return value

    @field_validator("begin_date", "end_date")
    @classmethod
    def _a_date(cls, value: str | None) -> str | None:
        if value is not None:
            if _DATE.fullmatch(value) is None:
                raise ValueError("is not YYYY-MM-DD")
            try:
                date.fromisoformat(value)
            except ValueError:
                raise ValueError("is no day of the calendar") from None
        return value

    @field_validator("file_name")
    @classmethod
    def _stays_below(cls, value: str | None) -> str | None:
        if value is None:
            return value
        if _has_unseen(value) or "\\" in value:
            raise ValueError("holds a control or an invisible character, or a backslash")
        if _ENCODED.search(value):
            raise ValueError("holds a percent-encoded character; names are literal here")
        if any(part in ("", ".", "..") for part in value.split("/")):
            raise ValueError("leaves the feed's folder: it begins or ends with '/', or holds '//', '.' or '..'")
        return value

    @model_validator(mode="after")
    def _begin_before_end(self) -> "LoadRequest":
        if self.begin_date and self.end_date and self.begin_date > self.end_date:
            raise ValueError("begin_date: is after end_date")
        return self


def _has_unseen(text: str) -> bool:
    return any(unicodedata.category(char) in _UNSEEN for char in text)


def parse_request(body: bytes) -> LoadRequest:
    """The body as a request; Rejected `BAD_REQUEST` (or `BODY_TOO_LARGE`, 413) naming each bad field otherwise."""
    if len(body) > MAX_BODY_BYTES:
        raise Rejected("BODY_TOO_LARGE", f"a request has at most {MAX_BODY_BYTES} bytes", status=413)
    try:
        data = json.loads(body.decode("utf-8"), object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        raise _bad([FieldError("", "the body is not JSON", 'send a JSON object, e.g. {"lob": "falcon"}')]) from None
    if not isinstance(data, dict):
        raise _bad([FieldError("", "the body is not a JSON object", 'send e.g. {"lob": "falcon"}')])
    return _validated(data)


def checked_lob(value: str | None) -> str | None:
    """The LOB that a list is asked for by; Rejected `BAD_REQUEST` where a request could not name it either."""
    return _validated({"lob": value}).lob


def _validated(data: dict[str, object]) -> LoadRequest:
    try:
        return LoadRequest.model_validate(data)
    except ValidationError as error:
        raise _bad(
            [_field_error(problem["loc"], problem["type"], problem["msg"]) for problem in error.errors()]
        ) from None


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; Rejected where a name stands twice, since readers differ in which one they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = sorted(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise _bad([FieldError(name[:128], "stands twice", "give each field once") for name in twice])
    return found


def _bad(errors: Sequence[FieldError]) -> Rejected:
    detail = "; ".join(f"{error.field or 'body'}: {error.message}" for error in errors)
    return Rejected("BAD_REQUEST", detail, status=400, errors=errors)


def _field_error(where: tuple[int | str, ...], kind: str, message: str) -> FieldError:
    name = str(where[0]) if where else ""
    if kind == "extra_forbidden":
        known = ", ".join(LoadRequest.model_fields)
        return FieldError(name[:128], "no such field", f"the fields are {known}")
    if kind == "value_error":
        message = message.removeprefix("Value error, ")
        if not name:
            name, _, message = message.partition(": ")
    return FieldError(name, message, _REMEDIES.get(name, ""))


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of a LOB's feeds a request means."""

    lob: str
    category: str | None = None
    subcategory: str | None = None
    either: bool = False
    """`subcategory` matches either column: the request named the LOB as its category, as spokes' own jobs do."""

    def matches(self, feed: Feed) -> bool:
        """Whether the active `feed` is meant."""
        if not feed.is_active or (self.category is not None and feed.category != self.category):
            return False
        if self.subcategory is None:
            return True
        return feed.subcategory == self.subcategory or (self.either and feed.category == self.subcategory)


def select(request: LoadRequest, lobs: Collection[str]) -> Selection:
    """The LOB and columns that `request` means, of the configured `lobs`; Rejected `UNKNOWN_LOB` or `LOB_NEEDED`."""
    known = ", ".join(sorted(lobs)) or "none yet"
    if request.lob is not None:
        if request.lob not in lobs:
            problem = FieldError("lob", f"{request.lob!r} is not configured", f"use one of: {known}")
            raise Rejected("UNKNOWN_LOB", f"lob: {problem.message}", errors=[problem])
        return Selection(request.lob, request.category, request.subcategory)
    if request.category is not None and request.category in lobs:
        return Selection(request.category, None, request.subcategory, either=True)
    if len(lobs) == 1:
        return Selection(next(iter(lobs)), request.category, request.subcategory)
    problem = FieldError(
        "lob", "more than one LOB is configured" if lobs else "no LOB is configured", f"one of: {known}"
    )
    raise Rejected("LOB_NEEDED", f"lob: {problem.message}; name {problem.remedy}", errors=[problem])


def require_feeds(feeds: Sequence[Feed], selection: Selection) -> list[Feed]:
    """The feeds meant; Rejected `NO_FEED` if there are none."""
    chosen = [feed for feed in feeds if selection.matches(feed)]
    if not chosen:
        have = sorted({f"{feed.category}/{feed.subcategory}" for feed in feeds if feed.is_active})
        field = "category" if selection.category is not None else "subcategory" if selection.subcategory else "lob"
        remedy = f"active feeds of {selection.lob}: {', '.join(have[:20]) or 'none'}"
        problem = FieldError(field, "no active feed matches", remedy)
        raise Rejected("NO_FEED", f"{field}: no active feed matches; {remedy}", errors=[problem])
    return chosen


@dataclass(frozen=True, slots=True)
class Window:
    """The dates that are in, inclusive; None is an open end."""

    begin: date | None
    end: date | None
    by_either: bool = False
    """A file is in if its date or its last-modified date is: the default window's rule."""

    def holds(self, file_date: date | None, modified: datetime) -> bool:
        """Whether a file of that date (None: it has none) and last-modified time is in."""
        dates = [file_date, modified.date()] if self.by_either else [file_date]
        return (self.begin is None and self.end is None) or any(day is not None and self.has(day) for day in dates)

    def has(self, day: date) -> bool:
        """Whether that day is in."""
        return (self.begin is None or self.begin <= day) and (self.end is None or day <= self.end)


EVERYTHING = Window(None, None)


def window_of(request: LoadRequest, now: datetime, lookback_days: int) -> Window:
    """The dates `request` means at `now` (UTC)."""
    if request.begin_date or request.end_date:
        parse: Callable[[str | None], date | None] = lambda text: date.fromisoformat(text) if text else None  # noqa: E731
        return Window(parse(request.begin_date), parse(request.end_date))
    if request.file_name:
        return EVERYTHING
    today = now.date()
    return Window(today - timedelta(days=lookback_days), today, by_either=True)
