"""`BronzeLoader`: what is due of a spoke's feeds, into bronze, from the spoke's own job."""

from spark_jobs.notebook import BronzeLoader
from spark_jobs.notebook_result import BronzeResult, FilesNotLoaded

__all__ = ["BronzeLoader", "BronzeResult", "FilesNotLoaded"]
