"""Gold to the systems that read files."""

from pyspark.sql import DataFrame


def folder(export_path: str | None, table: str) -> str:
    """Where `table` goes below `export_path`; ValueError unless that is an abfss URL of a folder in a container."""
    root = (export_path or "").rstrip("/")
    scheme, _, rest = root.partition("://")
    if scheme != "abfss" or "@" not in rest or "/" not in rest:
        raise ValueError(
            f"export_path {export_path!r} is not like abfss://container@account.dfs.core.windows.net/folder/"
        )
    return f"{root}/{table}"


def export(table: DataFrame, path: str) -> None:
    """`table` as one parquet file in the folder `path`, in place of what an earlier export left there."""
    table.coalesce(1).write.mode("overwrite").parquet(path)
