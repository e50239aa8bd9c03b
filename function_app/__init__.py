"""The Azure Functions app: triggers only. Each translates, calls `hub_core`, and translates back."""

import azure.functions as func

from function_app import http, timers_and_queues

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
app.register_functions(http.routes)
app.register_functions(timers_and_queues.triggers)
