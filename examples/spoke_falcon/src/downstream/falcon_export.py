# Databricks notebook source
# MAGIC %md
# MAGIC # Gold to downstream
# MAGIC Writes `delays_by_carrier_day` as parquet below `export_path`, in place of the export before.

# COMMAND ----------

import sys
from pathlib import Path

# A notebook runs in its own folder; the modules are in src/ of the bundle.
bundle = next(folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "databricks.yml").exists())
sys.path.append(str(bundle / "src"))

# COMMAND ----------

from deltalake_hub.core.environment import Environment
from deltalake_hub.core.logs import get_logger
from deltalake_hub.core.widget_manager import WidgetManager

from transforms.export import export, folder

# COMMAND ----------

env = Environment.current()
path = folder(WidgetManager().get("export_path"), "delays_by_carrier_day")
export(spark.table(env.table("gold", "delays_by_carrier_day")), path)
get_logger("falcon.downstream").info(f"exported to {path}")
