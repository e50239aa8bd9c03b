# Databricks notebook source
# MAGIC %md
# MAGIC # Bronze to silver
# MAGIC Checks, types and de-duplicates each bronze table that there is. Rows that break a rule go to `rejected`.

# COMMAND ----------

import sys
from pathlib import Path

# A notebook runs in its own folder; the modules are in src/ of the bundle.
bundle = next(folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "databricks.yml").exists())
sys.path.append(str(bundle / "src"))

# COMMAND ----------

from deltalake_hub.core.environment import Environment
from deltalake_hub.core.logs import get_logger
from deltalake_hub.quality import check

from transforms.clean import TABLES, clean, rejected, union
from transforms.tables import replace, require_schema

# COMMAND ----------

env = Environment.current()
log = get_logger("falcon.silver")
require_schema(spark, env.schema("silver"))

# COMMAND ----------

bad = []
for name, table in TABLES.items():
    source = env.table("bronze", name)
    if not spark.catalog.tableExists(source):
        log.info(f"{source}: nothing was delivered yet")
        continue
    checked = check(spark.table(source), table.rules)
    replace(clean(checked.good, table), env.table("silver", name))
    bad.append(rejected(checked.bad, name))
    log.info(f"{source}: broken rules {checked.failed}")

# COMMAND ----------

if bad:
    replace(union(bad), env.table("silver", "rejected"))
