"""What runs on Databricks: the loader and its Spark adapters. No Azure package."""
