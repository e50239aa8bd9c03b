"""A LOB of its own, whose feeds a notebook loads on the real stack."""

import csv
from pathlib import Path
from typing import Any
from uuid import uuid4

from deltalake_hub.bronze.base_loader import BronzeLoader
from hub_core.feeds import REQUIRED
from hub_core.model import Feed
from tests.lake import Lake


class Spoke:
    """One LOB with a CSV of its own, and what its notebook says."""

    def __init__(self, lake: Lake, directory: Path) -> None:
        self.lake = lake
        self.lob = "nb" + uuid4().hex[:8]
        self.said: list[str] = []
        self._csv = directory / f"{self.lob}_config.csv"

    def feed(self, name: str, **options: Any) -> Feed:
        own = {"lob": self.lob, "dest_schema": f"{self.lob}_bronze"}
        return self.lake.feed(f"{name}_{self.lob}", **{**own, **options})

    def configure(self, *feeds: Feed) -> None:
        columns = (*REQUIRED, "max_reject_percent", "on_redelivery")
        with self._csv.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows([getattr(feed, name) for name in columns] for feed in feeds)

    def loader(self, params: dict[str, object] | None = None, **options: Any) -> BronzeLoader:
        given = {"catalog": self.lake.catalog, **(params or {})}
        return BronzeLoader(self.lake.spark, str(self._csv), given, say=self.said.append, **options)
