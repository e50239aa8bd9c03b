"""`WidgetManager`: a notebook's parameters, wherever they come from."""

from spark_jobs.parameters import WidgetManager

__all__ = ["WidgetManager"]
