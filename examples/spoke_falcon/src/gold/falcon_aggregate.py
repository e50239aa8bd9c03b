# Databricks notebook source
# MAGIC %md
# MAGIC # Silver to gold
# MAGIC `delays_by_carrier_day`: flights, cancellations and delays of each carrier, day by day.

# COMMAND ----------

import sys
from pathlib import Path

# A notebook runs in its own folder; the modules are in src/ of the bundle.
bundle = next(folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "databricks.yml").exists())
sys.path.append(str(bundle / "src"))

# COMMAND ----------

from deltalake_hub.core.environment import Environment
from deltalake_hub.quality import check

from transforms.aggregate import RULES, delays_by_carrier_day
from transforms.tables import replace, require_schema

# COMMAND ----------

env = Environment.current()
require_schema(spark, env.schema("gold"))
delays = delays_by_carrier_day(spark.table(env.table("silver", "flights")))

# COMMAND ----------

check(delays, RULES).require()
replace(delays, env.table("gold", "delays_by_carrier_day"))
