"""Databricks' two doors on one port: a SQL warehouse (Thrift over HTTP) and the Jobs API, on real engines."""
