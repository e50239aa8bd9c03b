"""dlt's own way from CSV files to a Delta table: filesystem source, `read_csv`, filesystem destination.

Run by the interpreter that requirements-dlt.txt is installed for, with the storage's connection string in
AZURE_STORAGE_CONNECTION_STRING: `dlt_pipeline.py BUCKET_URL GLOB TABLE DIRECTORY`. Prints the seconds that the
pipeline took, without imports, and the rows that the table holds.
"""

import json
import os
import sys
import time
from pathlib import Path

import adlfs
import dlt
from deltalake import DeltaTable
from dlt.destinations import filesystem as local_folder
from dlt.sources.filesystem import filesystem, read_csv


def main(bucket_url: str, glob: str, table: str, directory: str) -> None:
    """Load the files that match into a new table below `directory`."""
    storage = adlfs.AzureBlobFileSystem(connection_string=os.environ["AZURE_STORAGE_CONNECTION_STRING"])
    began = time.perf_counter()
    # As strings, which is what the hub's bronze tables hold too, and quicker than having types inferred.
    files = filesystem(bucket_url=bucket_url, file_glob=glob, credentials=storage)
    rows = (files | read_csv(dtype=str)).with_name(table)
    pipeline = dlt.pipeline(
        pipeline_name=f"bench_{table}",
        pipelines_dir=str(Path(directory) / "state"),
        destination=local_folder(bucket_url=Path(directory).resolve().as_uri()),
        dataset_name="bronze",
    )
    pipeline.run(rows, table_format="delta", write_disposition="append").raise_on_failed_jobs()
    took = time.perf_counter() - began
    held = DeltaTable(str(Path(directory) / "bronze" / table)).to_pyarrow_dataset().count_rows()
    sys.stdout.write(json.dumps({"seconds": took, "rows": held}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
