"""Which environment a notebook runs in, as its bundle's variables say."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from hub_core.errors import Broken
from hub_core.identifiers import quote
from spark_jobs.parameters import WidgetManager


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment of a spoke: its name, its catalog, and what its schemas begin with."""

    name: str
    catalog: str
    schema_prefix: str

    @classmethod
    def current(cls, get: Callable[[str], str | None] | None = None) -> Self:
        """From the parameters `environment`, `catalog` and `schema_prefix`, by default those of `WidgetManager`.

        A bundle hands its variables to its jobs as these. Where a parameter is absent, the variables HUB_ENVIRONMENT,
        HUB_CATALOG and HUB_SCHEMA_PREFIX count; Broken `BAD_SETTING` where there is neither.
        """
        parameter = get or WidgetManager().get
        values = {
            name: parameter(name) or os.environ.get(f"HUB_{name.upper()}") or ""
            for name in ("environment", "catalog", "schema_prefix")
        }
        missing = [name for name, value in values.items() if not value]
        if missing:
            said = f"not given: {', '.join(missing)}; let the job pass them as parameters of the notebook"
            raise Broken("BAD_SETTING", said)
        return cls(values["environment"], values["catalog"], values["schema_prefix"])

    def schema(self, layer: str) -> str:
        """The quoted name of a layer's schema, e.g. of `silver` `` `prod`.`falcon_silver` ``."""
        return quote(self.catalog, f"{self.schema_prefix}_{layer}")

    def table(self, layer: str, name: str) -> str:
        """The quoted name of a table in a layer."""
        return f"{self.schema(layer)}.{quote(name)}"
