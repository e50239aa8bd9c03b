"""A batch's claims as the loader works on them, and the groups they are loaded in. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from hub_core.codes import FileError
from hub_core.model import DateSource, Feed, FileFormat, FileStatus, OnRedelivery, SchemaDrift, digest
from hub_core.sql import Row


@dataclass(frozen=True, slots=True)
class OpenClaim:
    """A tracker row that is CLAIMED by the batch, with what is needed to load its file."""

    tracker_id: str
    path: str
    size: int
    modified: int
    """Seconds since the epoch."""
    dest_table: str
    feed: Feed
    commit_id: str | None = None
    replaced: tuple[str, ...] = ()
    """tracker_ids of earlier deliveries, whose rows go in the commit that brings the new ones."""
    skipped: bool = False
    """Whether the feed wants no newer version of a file that it has."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file is not loaded."""

    code: FileError
    message: str
    status: FileStatus = FileStatus.FAILED
    rejected: int | None = None


@dataclass(frozen=True, slots=True)
class Rejects:
    """What a validating pass found in one file."""

    records: int
    bad: int
    first: str = ""
    torn: bool = False
    """Whether a quote that one record opens is closed in another, or nowhere: where records begin can't be told."""
    last_line: str | None = None
    """Of a multiline file in which a quote has no other: a record that runs up to it is one that is closed nowhere."""
    sent_replaced: bool = False
    """Whether the file was sent with U+FFFD in it: then that is no sign of bytes that don't decode."""
    repeated: str | None = None
    """The name of the first `unique` rule that the file breaks."""
    repeats: int = 0
    """Good records that break that rule: all of those that have a key which is not theirs alone."""
    first_repeat: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Files that are read at once and come in one commit; which ones is what the tracker says of `commit_id`."""

    commit_id: str
    claims: tuple[OpenClaim, ...]
    columns: tuple[str, ...] | None = None
    """The header, where a diagnosis has read that of every file; None: that of one file is tried for all."""
    rejects: dict[str, Rejects] | None = field(default=None, hash=False)
    """By tracker_id, once a validating pass has decided that all of these may be loaded without their bad records."""
    splits: int = 0
    """How often the files have been divided."""

    @property
    def feed(self) -> Feed:
        """The feed of all the claims."""
        return self.claims[0].feed

    @property
    def dest_table(self) -> str:
        """`catalog.schema.table` of all the claims."""
        return self.claims[0].dest_table

    @property
    def tracker_ids(self) -> tuple[str, ...]:
        """Those of the claims."""
        return tuple(claim.tracker_id for claim in self.claims)

    @property
    def replaced(self) -> tuple[str, ...]:
        """tracker_ids whose rows go when the group's come."""
        return tuple(sorted({old for claim in self.claims for old in claim.replaced}))

    def part(self, piece: "Piece") -> "Group":
        """Some of the claims under a commit_id of their own."""
        commit = commit_id(piece.claims, after=self.commit_id)
        claims = tuple(replace(claim, commit_id=commit) for claim in piece.claims)
        return Group(commit, claims, piece.columns, piece.rejects, self.splits + 1)


@dataclass(frozen=True, slots=True)
class Piece:
    """Files of a group that a diagnosis found to be alike."""

    claims: tuple[OpenClaim, ...]
    columns: tuple[str, ...] | None
    rejects: dict[str, Rejects] | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is to be done with the files of a group that could not be brought as it is."""

    pieces: tuple[Piece, ...]
    bad: tuple[tuple[OpenClaim, Problem], ...] = ()
    """Files that are not loaded."""
    quarantine: Piece | None = None
    """Those of them whose bad records belong in the quarantine table."""
    anew: bool = False
    """Whether the files need another commit_id, since theirs is closed."""


def commit_id(claims: Iterable[OpenClaim], after: str = "") -> str:
    """Made from the files it brings: two runs that decide alike make one commit."""
    return digest(after, *sorted(claim.tracker_id for claim in claims))


def new_groups(claims: Iterable[OpenClaim]) -> list[Group]:
    """Claims without a commit_id by destination, feed, and whether they replace earlier rows."""
    alike: dict[tuple[str, str, bool], list[OpenClaim]] = {}
    for claim in claims:
        alike.setdefault((claim.dest_table, claim.feed.config_id, bool(claim.replaced)), []).append(claim)
    return [
        _group(commit, (replace(claim, commit_id=commit) for claim in members))
        for members in alike.values()
        for commit in (commit_id(members),)
    ]


def named_groups(claims: Iterable[OpenClaim]) -> list[Group]:
    """Claims that have a commit_id, by it: from their claiming, or as an earlier run has divided them."""
    by_commit: dict[str, list[OpenClaim]] = {}
    for claim in claims:
        if claim.commit_id is not None:
            by_commit.setdefault(claim.commit_id, []).append(claim)
    return [_group(commit, members) for commit, members in by_commit.items()]


def _group(commit: str, claims: Iterable[OpenClaim]) -> Group:
    # The oldest file first: where there is no table yet, that one's columns make it, whoever loads them.
    return Group(commit, tuple(sorted(claims, key=lambda claim: (claim.modified, claim.path))))


@dataclass(frozen=True, slots=True)
class OpenClaims:
    """What the tracker says of a batch that is to be loaded."""

    lob: str
    """Empty where there are no claims."""
    claims: tuple[OpenClaim, ...]
    feedless: tuple[tuple[str, str | None], ...]
    """`tracker_id` and `commit_id` of claims whose feed is not in `file_config`."""


def open_claims(rows: Iterable[Row], claimed_feeds: Iterable[Row], earlier: Iterable[Row]) -> OpenClaims:
    """From the rows of `OPEN_CLAIMS`, `CLAIMED_FEEDS` and `EARLIER_DELIVERIES`.

    A claim whose feed is not among those has none, or another run has finished it meanwhile: who ends it for want of a
    feed does so only where it is still open.
    """
    feeds = {str(row["config_id"]): _feed(row) for row in claimed_feeds}
    deliveries: dict[tuple[object, ...], list[Row]] = {}
    for row in earlier:
        deliveries.setdefault(_delivered(row), []).append(row)
    lob = ""
    claims: list[OpenClaim] = []
    feedless: list[tuple[str, str | None]] = []
    for row in rows:
        lob = str(row["lob"])
        feed = feeds.get(str(row["config_id"]))
        if feed is None:
            feedless.append((str(row["tracker_id"]), _text(row["commit_id"])))
        else:
            claims.append(_claim(row, feed, deliveries.get(_delivered(row), ())))
    return OpenClaims(lob, tuple(claims), tuple(feedless))


def _delivered(row: Row) -> tuple[object, ...]:
    return row["config_id"], row["source_path"], row["dest_table"]


def _claim(row: Row, feed: Feed, earlier: Sequence[Row]) -> OpenClaim:
    size, modified = int(str(row["file_size"])), int(str(row["modified_epoch"]))
    replaced, skipped = redelivery(feed.on_redelivery, row, earlier)
    return OpenClaim(
        tracker_id=str(row["tracker_id"]),
        path=str(row["source_path"]),
        size=size,
        modified=modified,
        dest_table=str(row["dest_table"]),
        feed=feed,
        commit_id=_text(row["commit_id"]),
        replaced=replaced,
        skipped=skipped,
    )


def redelivery(mode: OnRedelivery, claim: Row, earlier: Sequence[Row]) -> tuple[tuple[str, ...], bool]:
    """Which of the `EARLIER_DELIVERIES` of a claim's path are replaced, and whether the new one is skipped.

    The same version again was forced, be it one that was skipped at first: it is loaded, and its rows are replaced,
    whatever the feed says of newer versions.
    """
    same = [one for one in earlier if _same_version(one, claim)]
    with_rows = [one for one in earlier if int(str(one["row_count"] or 0)) > 0]
    if mode is OnRedelivery.APPEND:
        return tuple(sorted(str(one["tracker_id"]) for one in with_rows if one in same)), False
    if mode is OnRedelivery.SKIP and with_rows and not same:
        return (), True
    return tuple(sorted(str(one["tracker_id"]) for one in with_rows)), False


def _same_version(one: Row, other: Row) -> bool:
    """By size and second, and by eTag where both sides know it."""
    etags = {row["file_etag"] for row in (one, other)} - {None}
    return len(etags) < 2 and all(one[name] == other[name] for name in ("file_size", "modified_epoch"))


def _feed(row: Row) -> Feed:
    def text(name: str, default: str) -> str:
        value = row[name]
        return default if value is None else str(value)

    file_format = FileFormat(text("file_format", ""))
    return Feed(
        lob=text("lob", ""),
        category=text("category", ""),
        subcategory=text("subcategory", ""),
        file_pattern=text("file_pattern", ""),
        source_path=text("source_path", ""),
        file_format=file_format,
        delimiter=None if file_format is FileFormat.PARQUET else text("delimiter", ","),
        has_header=row["has_header"] is not False,
        dest_catalog=text("dest_catalog", ""),
        dest_schema=text("dest_schema", ""),
        dest_table=text("dest_table", ""),
        date_source=DateSource(text("date_source", "auto")),
        on_redelivery=OnRedelivery(text("on_redelivery", "replace")),
        schema_drift=SchemaDrift(text("schema_drift", "add")),
        max_reject_percent=float(text("max_reject_percent", "0")),
        quality_rules=_text(row["quality_rules"]),
        encoding=text("encoding", "UTF-8"),
        quote=text("quote", '"'),
        escape=text("escape", '"'),
        multiline=row["multiline"] is True,
        null_value=_text(row["null_value"]),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
