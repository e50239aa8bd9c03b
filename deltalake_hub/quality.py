"""`check`: a feed's rule language on any DataFrame, for silver and gold."""

from spark_jobs.quality_check import Checked, RulesBroken, check

__all__ = ["Checked", "RulesBroken", "check"]
