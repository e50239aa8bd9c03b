"""The service's JSON as values: what is missing is empty, what is new is left alone, `raw` is what was sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

type Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One bad field of a request, or one bad cell of a spoke's CSV (then `field` is `line N, column`)."""

    field: str
    message: str
    remedy: str

    @classmethod
    def read(cls, document: Json) -> Self:
        """An entry of a problem's `errors`."""
        return cls(text(document, "field"), text(document, "message"), text(document, "remedy"))


@dataclass(frozen=True, slots=True)
class CellProblem:
    """One bad cell of a spoke's CSV."""

    line: int
    column: str
    value: str
    message: str
    remedy: str

    @classmethod
    def read(cls, document: Json) -> Self:
        """An entry of `config_errors`."""
        return cls(
            number(document, "line") or 0,
            text(document, "column"),
            text(document, "value"),
            text(document, "message"),
            text(document, "remedy"),
        )


@dataclass(frozen=True, slots=True)
class Load:
    """A load as `GET loads/{id}` shows it."""

    raw: Json
    id: str
    state: str
    lob: str
    trigger: str
    run_id: str
    run_page_url: str
    run_state: str
    retry_of: str
    waits_on: tuple[str, ...]
    total: int
    success: int
    failed: int
    quarantined: int
    rows_loaded: int | None
    rows_rejected: int | None
    error_code: str
    error_message: str
    config_errors: tuple[CellProblem, ...]
    created_at: str
    finished_at: str

    @classmethod
    def read(cls, document: Json) -> Self:
        """The document of one load."""
        files, rows, error = child(document, "files"), child(document, "rows"), child(document, "error")
        return cls(
            raw=document,
            id=text(document, "id"),
            state=text(document, "state"),
            lob=text(document, "lob"),
            trigger=text(document, "trigger"),
            run_id=text(document, "run_id"),
            run_page_url=text(document, "run_page_url"),
            run_state=text(document, "run_state"),
            retry_of=text(document, "retry_of"),
            waits_on=tuple(str(item) for item in items(document, "waits_on")),
            total=number(files, "total") or 0,
            success=number(files, "success") or 0,
            failed=number(files, "failed") or 0,
            quarantined=number(files, "quarantined") or 0,
            rows_loaded=number(rows, "loaded"),
            rows_rejected=number(rows, "rejected"),
            error_code=text(error, "code"),
            error_message=text(error, "message"),
            config_errors=tuple(CellProblem.read(entry) for entry in children(document, "config_errors")),
            created_at=text(document, "created_at"),
            finished_at=text(document, "finished_at"),
        )

    @property
    def finished_files(self) -> int:
        """Files that have an outcome."""
        return self.success + self.failed + self.quarantined


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """A file of a load as `GET loads/{id}/files` shows it."""

    raw: Json
    category: str
    subcategory: str
    file_name: str
    dest_table: str
    status: str
    size: int | None
    attempt: int | None
    row_count: int | None
    rejected_count: int | None
    error_code: str
    error_message: str

    @classmethod
    def read(cls, document: Json) -> Self:
        """The document of one file."""
        return cls(
            raw=document,
            category=text(document, "category"),
            subcategory=text(document, "subcategory"),
            file_name=text(document, "file_name"),
            dest_table=text(document, "dest_table"),
            status=text(document, "status"),
            size=number(document, "size"),
            attempt=number(document, "attempt"),
            row_count=number(document, "row_count"),
            rejected_count=number(document, "rejected_count"),
            error_code=text(document, "error_code"),
            error_message=text(document, "error_message"),
        )


def text(document: Json, name: str) -> str:
    """The member as text; empty where it is absent or null.

    Control characters are spelled out: a name from outside must not steer the terminal that shows it.
    """
    value = document.get(name)
    if value is None:
        return ""
    found = value if isinstance(value, str) else str(value)
    return found if found.isprintable() else "".join(map(_shown, found))


def _shown(char: str) -> str:
    return char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode("ascii")


def number(document: Json, name: str) -> int | None:
    """The member as a whole number, or None."""
    value = document.get(name)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def child(document: Json, name: str) -> Json:
    """The member as an object; empty where it is none."""
    value = document.get(name)
    return value if isinstance(value, Mapping) else {}


def items(document: Json, name: str) -> Sequence[object]:
    """The member as an array; empty where it is none."""
    value = document.get(name)
    return value if isinstance(value, list) else ()


def children(document: Json, name: str) -> list[Json]:
    """The objects in the member's array."""
    return [value for value in items(document, name) if isinstance(value, Mapping)]
