# Databricks notebook source
# MAGIC %md
# MAGIC # Silver, joined
# MAGIC `flights_enriched`: each flight with its airline, plane, destination and the weather at departure.

# COMMAND ----------

import sys
from pathlib import Path

# A notebook runs in its own folder; the modules are in src/ of the bundle.
bundle = next(folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "databricks.yml").exists())
sys.path.append(str(bundle / "src"))

# COMMAND ----------

from deltalake_hub.core.environment import Environment
from deltalake_hub.quality import check

from transforms.enrich import enrich
from transforms.tables import replace

# COMMAND ----------

env = Environment.current()
names = ("flights", "weather", "planes", "airports", "airlines")
silver = {name: spark.table(env.table("silver", name)) for name in names}
enriched = enrich(**silver)

# COMMAND ----------

check(enriched, "one_each: unique(flight_date, carrier, flight, origin)").require()
replace(enriched, env.table("silver", "flights_enriched"))
