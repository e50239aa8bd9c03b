"""`Environment`: which environment a notebook runs in, and what its tables are called there."""

from spark_jobs.environment import Environment

__all__ = ["Environment"]
