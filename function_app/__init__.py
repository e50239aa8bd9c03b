"""The Azure Functions app: triggers only. Each translates, calls `hub_core`, and translates back."""

import logging

import azure.functions as func

from function_app import http, timers_and_queues

# These say a line per HTTP call; what went wrong in one reaches the log as the hub's own error.
for chatty in ("azure", "databricks.sql", "databricks.sdk", "urllib3"):
    logging.getLogger(chatty).setLevel(logging.WARNING)

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
app.register_functions(http.routes)
app.register_functions(timers_and_queues.triggers)
