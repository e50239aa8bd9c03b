"""`get_logger`: log lines that show in a notebook's output and in a run's log."""

from spark_jobs.notebook_logs import get_logger

__all__ = ["get_logger"]
