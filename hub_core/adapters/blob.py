"""Files, configs and small documents in Blob Storage."""

import json
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobPrefix, BlobProperties, BlobServiceClient, ContainerClient, ContentSettings

from hub_core.adapters.azure_faults import translated
from hub_core.adapters.storage_accounts import Accounts
from hub_core.errors import Transient
from hub_core.feeds import MAX_CSV_BYTES, is_lob
from hub_core.model import SourceFile, whole_second
from hub_core.paths import parse_abfss

CONFIG_SUFFIX = "_config.csv"
_LEADS_TO_DAYS = re.compile(r"(?:^|/)[0-9]{4}/([0-9]{2}/)?$")
PAGE_BLOBS = 1_000
"""Blobs a listing call brings. Five times as many are allowed, and take five times the memory: some 10 kB each."""


class BlobLanding:
    """`Landing` on the accounts that feeds lie in."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def list(self, folder: str, skip: Callable[[str], bool] | None = None) -> Iterator[SourceFile]:
        """See `Landing.list`; 1,000 blobs a call; with `skip` a call more for each year or month with a day to skip."""
        place = parse_abfss(folder)
        container = self._accounts.blobs(place.host).get_container_client(place.container)
        root = f"abfss://{place.container}@{place.host}/"
        with translated(f"listing {folder}"):
            try:
                names = _all(container, place.name) if skip is None else _walk(container, place.name, root, skip)
                for blob in names:
                    if not _is_folder(blob):
                        yield _file(f"{root}{blob.name}", blob)
            except ResourceNotFoundError:
                return  # a container that is not there yet holds no files

    def ping(self, folder: str) -> None:
        """Raise what keeps the folder from being listed."""
        place = parse_abfss(folder)
        container = self._accounts.blobs(place.host).get_container_client(place.container)
        with translated(f"listing {folder}"):
            next(container.list_blobs(name_starts_with=place.name or None, results_per_page=1), None)

    def head(self, path: str) -> SourceFile | None:
        """See `Landing.head`."""
        place = parse_abfss(path)
        blob = self._accounts.blobs(place.host).get_blob_client(place.container, place.name)
        with translated(f"asking for {path}"):
            try:
                properties = blob.get_blob_properties()
            except ResourceNotFoundError:
                return None
        return None if _is_folder(properties) else _file(path, properties)


class BlobConfigs:
    """`Configs` under HUB_CONFIG_ROOT."""

    def __init__(self, accounts: Accounts, root: str) -> None:
        self._place = parse_abfss(root)
        self._accounts = accounts

    def lobs(self) -> frozenset[str]:
        """See `Configs.lobs`."""
        prefix = self._place.name
        container = self._accounts.blobs(self._place.host).get_container_client(self._place.container)
        with translated("listing HUB_CONFIG_ROOT"):
            names = [name[len(prefix) :] for name in container.list_blob_names(name_starts_with=prefix or None)]
        lobs = (name.removesuffix(CONFIG_SUFFIX) for name in names if name.endswith(CONFIG_SUFFIX))
        return frozenset(lob for lob in lobs if is_lob(lob))

    def read(self, lob: str) -> bytes | None:
        """See `Configs.read`."""
        name = f"{self._place.name}{lob}{CONFIG_SUFFIX}"
        blob = self._accounts.blobs(self._place.host).get_blob_client(self._place.container, name)
        with translated(f"reading {lob}{CONFIG_SUFFIX}"):
            try:
                return blob.download_blob(length=MAX_CSV_BYTES + 1, offset=0).readall()
            except ResourceNotFoundError:
                return None
            except HttpResponseError as error:
                if error.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    return b""  # of nothing there is no range
                raise


class BlobDocuments:
    """`Documents` in one container of the host's storage."""

    def __init__(self, service: BlobServiceClient, container: str) -> None:
        self._container = service.get_container_client(container)

    def ensure(self) -> None:
        """Make the container."""
        with translated("making the documents' container"):
            try:
                self._container.create_container()
            except ResourceExistsError:
                return

    def write(self, name: str, document: object) -> None:
        """See `Documents.write`."""
        with translated(f"writing {name}"):
            self._container.upload_blob(
                name,
                json.dumps(document, separators=(",", ":")).encode(),
                overwrite=True,
                content_settings=ContentSettings(content_type="application/json"),
            )

    def read(self, name: str) -> object | None:
        """See `Documents.read`."""
        with translated(f"reading {name}"):
            try:
                content = self._container.download_blob(name).readall()
            except ResourceNotFoundError:
                return None
        document: object = json.loads(content)
        return document

    def delete(self, name: str) -> None:
        """See `Documents.delete`."""
        with translated(f"deleting {name}"):
            try:
                self._container.delete_blob(name)
            except ResourceNotFoundError:
                return


def _all(container: ContainerClient, prefix: str) -> Iterator[BlobProperties]:
    yield from container.list_blobs(
        name_starts_with=prefix or None, include=["metadata"], results_per_page=PAGE_BLOBS
    )  # fmt: skip


def _walk(container: ContainerClient, prefix: str, root: str, skip: Callable[[str], bool]) -> Iterator[BlobProperties]:
    """As `_all`, but level by level as long as folders are named like dates."""
    level = container.walk_blobs(
        name_starts_with=prefix or None, include=["metadata"], delimiter="/", results_per_page=PAGE_BLOBS
    )  # fmt: skip
    folders: list[str] = []
    for one in level:
        if isinstance(one, BlobPrefix):
            folders.append(str(one.name))
        else:
            yield one
    for folder in folders:
        if not skip(root + folder):
            walked = _worth_a_walk(root + folder, skip)
            yield from _walk(container, folder, root, skip) if walked else _all(container, folder)


def _worth_a_walk(folder: str, skip: Callable[[str], bool]) -> bool:
    """Whether this is the folder of a year or a month with some day to skip: else its days would cost a call each."""
    dated = _LEADS_TO_DAYS.search(folder)
    if dated is None:
        return False
    months = [""] if dated[1] else [f"{month:02}/" for month in range(1, 13)]
    return any(skip(f"{folder}{month}{day:02}/") for month in months for day in range(1, 32))


def _is_folder(blob: BlobProperties) -> bool:
    # Accounts with a hierarchical namespace, and Hadoop's older drivers, list directories as blobs.
    metadata = blob.metadata or {}
    return metadata.get("hdi_isfolder", "").lower() == "true" or str(blob.name).endswith("/")


def _file(path: str, blob: BlobProperties) -> SourceFile:
    if blob.size is None or blob.last_modified is None:
        # Python's HTTP takes headers that broke off for all of them.
        raise Transient("STORAGE_UNAVAILABLE", f"asking for {path}: half an answer")
    etag = (blob.etag or "").strip('"') or None
    return SourceFile(path, blob.size, whole_second(blob.last_modified), etag)
