"""The service's settings: one frozen value, read from the environment. docs/settings.md is made from this."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self
from urllib.parse import urlsplit

from hub_core.alerts import AlertFormat
from hub_core.errors import Broken, Rejected
from hub_core.feeds import House
from hub_core.identifiers import is_identifier
from hub_core.paths import folder

MAX_WHOLE = 100_000


def _setting(env: str, sentence: str, example: str, parse: Callable[[str], object], **default: Any) -> Any:
    """A field read from the variable `env`; without `default` it must be set."""
    return field(metadata={"env": env, "sentence": sentence, "example": example, "parse": parse}, **default)


def _text(text: str) -> str:
    return text


def _identifier(text: str) -> str:
    if not is_identifier(text):
        raise ValueError("not a SQL identifier")
    return text


def _whole(text: str) -> int:
    if not 0 <= (number := int(text)) <= MAX_WHOLE:
        raise ValueError("out of range")
    return number


def _some(text: str) -> int:
    if (number := _whole(text)) < 1:
        raise ValueError("out of range")
    return number


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _address(text: str) -> str:
    url = text if "://" in text else f"https://{text}"
    return url.rstrip("/")


def _web(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("not a web address")
    return text


def _roots(text: str) -> tuple[str, ...]:
    roots = json.loads(text) if text.lstrip().startswith("[") else text.split(",")
    found = tuple(folder(root.strip()) for root in roots if root.strip())
    if not found:
        raise ValueError("empty")
    return found


def _text_map(text: str) -> Mapping[str, str]:
    data = json.loads(text)
    if not isinstance(data, dict) or not all(isinstance(value, str | int) for value in data.values()):
        raise ValueError("not a JSON object of strings")
    return {str(key): str(value) for key, value in data.items()}


def _spokes(text: str) -> Mapping[str, House]:
    data = json.loads(text)
    return {
        lob: House(tuple(folder(source) for source in _texts(house["sources"])), _texts(house["schemas"]))
        for lob, house in data.items()
    }


def _texts(data: object) -> tuple[str, ...]:
    # A string in the place of a list would be taken letter by letter, and "*" among them lets everything through.
    if not isinstance(data, list) or not data or not all(isinstance(one, str) and one for one in data):
        raise ValueError("not a list of strings")
    return tuple(data)


def _job(text: str) -> str:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("not a job's id")
    return text


def _jobs(text: str) -> Mapping[str, str]:
    return {lob: _job(job) for lob, job in _text_map(text).items()}


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """Everything that differs between two installations. Has no repr: some of it is secret."""

    catalog: str = _setting("HUB_CATALOG", "The Unity Catalog of this environment.", "prod", _identifier)
    config_root: str = _setting(
        "HUB_CONFIG_ROOT",
        "The folder that holds each spoke's <lob>_config.csv.",
        "abfss://config@acct.dfs.core.windows.net/feeds/",
        folder,
    )
    allowed_roots: tuple[str, ...] = _setting(
        "HUB_ALLOWED_ROOTS",
        "The folders that feeds may read below, comma-separated.",
        "abfss://raw@acct.dfs.core.windows.net/",
        _roots,
    )
    loader_job_id: str = _setting("HUB_LOADER_JOB_ID", "The Databricks job that loads.", "123456789", _job)
    databricks_host: str = _setting(
        "DATABRICKS_HOST", "The workspace's address.", "https://adb-1.2.azuredatabricks.net", _address
    )
    warehouse_id: str = _setting("HUB_WAREHOUSE_ID", "The SQL warehouse that plans.", "1a2b3c4d5e6f7a8b", _text)
    loader_jobs: Mapping[str, str] = _setting(
        "HUB_LOADER_JOBS",
        "Jobs of LOBs that have one of their own, as JSON.",
        '{"falcon": "987654321"}',
        _jobs,
        default_factory=dict,
    )
    databricks_token: str | None = _setting(
        "DATABRICKS_TOKEN",
        "An access token; absent, the managed identity signs in.",
        "dapi…",
        _text,
        default=None,
    )
    lookback_days: int = _setting(
        "HUB_LOOKBACK_DAYS", "Days before today that a request without dates looks at.", "7", _whole, default=7
    )
    settle_seconds: int = _setting(
        "HUB_SETTLE_SECONDS",
        "Listings ignore files younger than this, as they may still be being written.",
        "30",
        _whole,
        default=30,
    )
    spokes: Mapping[str, House] = _setting(
        "HUB_SPOKES",
        "LOBs that live elsewhere than in <allowed root>/<lob>/ and <lob>_*, as JSON.",
        '{"falcon": {"sources": ["abfss://raw@acct.dfs.core.windows.net/f/"], "schemas": ["falcon_*"]}}',
        _spokes,
        default_factory=dict,
    )
    storage_connections: Mapping[str, str] = _setting(
        "HUB_STORAGE_CONNECTIONS",
        "Connection strings of storage accounts that the identity cannot reach, by host, as JSON.",
        '{"acct.dfs.core.windows.net": "BlobEndpoint=…"}',
        _text_map,
        default_factory=dict,
    )
    sweep_loads: bool = _setting(
        "HUB_SWEEP_LOADS",
        "Whether a sweep loads the files that no event told of (`true`), or only reports them (`false`).",
        "false",
        _flag,
        default=True,
    )
    sweep_minutes: int = _setting(
        "HUB_SWEEP_MINUTES", "Minutes between two looks over all feeds; 0 for never.", "60", _whole, default=60
    )
    keep_loads_days: int = _setting(
        "HUB_KEEP_LOADS_DAYS",
        "Days after which the record of a load that has ended is dropped.",
        "400",
        _some,
        default=400,
    )
    overdue_hours: int = _setting(
        "HUB_OVERDUE_HOURS", "Hours after which an alert says that a load has not ended.", "6", _some, default=6
    )
    alert_webhook: str | None = _setting(
        "HUB_ALERT_WEBHOOK",
        "Where one alert goes for each load that ends FAILED or PARTIAL, or CANCELED with bad files, or is overdue; "
        "absent, the log alone has it.",
        "https://prod-1.westeurope.logic.azure.com/workflows/…",
        _web,
        default=None,
    )
    alert_format: AlertFormat = _setting(  # noqa: RUF009 — a dataclass field, as the others are
        "HUB_ALERT_FORMAT",
        "`teams` for an Adaptive Card, `json` for a plain body.",
        "json",
        AlertFormat,
        default=AlertFormat.TEAMS,
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """The settings; Broken `BAD_SETTING` naming every variable that is missing or bad, each with an example."""
        env = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        problems = []
        for one in fields(cls):
            meta = one.metadata
            text = env.get(meta["env"], "").strip()
            optional = one.default is not _MISSING or one.default_factory is not _MISSING
            if not text:
                if not optional:
                    problems.append(f"{meta['env']} is not set ({meta['sentence']} E.g. {meta['example']})")
                continue
            try:
                values[one.name] = meta["parse"](text)
            except _UNREADABLE:
                problems.append(_cannot_be_read(meta))
        if problems:
            raise Broken("BAD_SETTING", "; ".join(problems))
        return cls(**values)

    @classmethod
    def one(cls, name: str, environment: Mapping[str, str] | None = None) -> Any:
        """One setting by its field's name, for who needs no other: its default, or None, where it is not set."""
        env = os.environ if environment is None else environment
        [found] = [field for field in fields(cls) if field.name == name]
        meta, text = found.metadata, env.get(found.metadata["env"], "").strip()
        if text:
            try:
                return meta["parse"](text)
            except _UNREADABLE:
                raise Broken("BAD_SETTING", _cannot_be_read(meta)) from None
        if callable(found.default_factory):
            return found.default_factory()
        return None if found.default is _MISSING else found.default

    def job_of(self, lob: str) -> str:
        """The job that loads `lob`."""
        return self.loader_jobs.get(lob, self.loader_job_id)


_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, Rejected)


def _cannot_be_read(meta: Mapping[str, Any]) -> str:
    # The value stays out of the message: it may be a secret.
    return f"{meta['env']} cannot be read ({meta['sentence']} E.g. {meta['example']})"


_MISSING = fields(Settings)[0].default
"""What dataclasses puts where a field has no default."""


def describe_settings() -> str:
    """All settings as a Markdown page: docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "The service reads these from its environment (app settings); a missing or bad one fails at the first use with",
        "its name and an example. Its own tables, queues and documents lie in the Functions host's storage,",
        "`AzureWebJobsStorage`, by connection string or identity, as the host does it.",
        "",
        "| setting | what it is | default | example |",
        "|---|---|---|---|",
    ]
    for one in fields(Settings):
        meta = one.metadata
        default = "required" if one.default is one.default_factory is _MISSING else ""
        if one.default is not _MISSING and one.default is not None:
            default = f"`{str(one.default).lower() if isinstance(one.default, bool) else one.default}`"
        lines.append(f"| `{meta['env']}` | {meta['sentence']} | {default} | `{meta['example']}` |")
    return "\n".join(lines) + "\n"
