# Databricks notebook source
# MAGIC %md
# MAGIC # Landing to bronze
# MAGIC Loads the files that are due: those of `batch_id` where the hub's service has planned the load, else those that
# MAGIC `category`, `subcategory`, `file_name`, `begin_date` and `end_date` select. Fails if a file is FAILED, so that
# MAGIC silver waits.

# COMMAND ----------

from deltalake_hub.bronze.base_loader import BronzeLoader
from deltalake_hub.core.widget_manager import WidgetManager

# COMMAND ----------

widgets = WidgetManager()
params = {
    "category": widgets.get("category"),
    "subcategory": widgets.get("subcategory"),
    "file_name": widgets.get("file_name"),
    "begin_date": widgets.get("begin_date"),
    "end_date": widgets.get("end_date"),
    "batch_id": widgets.get("batch_id"),
    "catalog": widgets.get("catalog"),
    "run_id": widgets.get("run_id"),
    "traceparent": widgets.get("traceparent"),
}
config_path = widgets.get("config_path", "./configs/bronze/falcon_config.csv")

# COMMAND ----------

result = BronzeLoader(spark=spark, config_path=config_path, params=params).run()
print(result)
