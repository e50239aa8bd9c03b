"""Alerts to a webhook."""

import json
import logging

import urllib3

from hub_core.alerts import AlertFormat, alert_body
from hub_core.errors import Broken, Transient
from hub_core.load import Load

# They tell of each try again, with the path and the query, which are the secret.
for telling in ("urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(telling).setLevel(logging.ERROR)

_TIMEOUT = urllib3.Timeout(connect=5.0, read=10.0)
_TRIES = urllib3.Retry(
    total=2, backoff_factor=0.5, status_forcelist=(408, 429, 500, 502, 503, 504), allowed_methods=None, redirect=0,
    respect_retry_after_header=False, raise_on_status=False,
)  # fmt: skip


class Webhook:
    """`Alerts` by HTTP. The address is a secret: it reaches no message and no log."""

    def __init__(self, url: str, form: AlertFormat) -> None:
        self._url = url
        self._form = form
        self._pool = urllib3.PoolManager()

    def send(self, load: Load) -> None:
        """See `Alerts.send`: three tries within seconds."""
        body = json.dumps(alert_body(load, self._form))
        headers = {"Content-Type": "application/json"}
        try:
            answer = self._pool.request("POST", self._url, body=body, headers=headers, timeout=_TIMEOUT, retries=_TRIES)
        except urllib3.exceptions.HTTPError as error:
            raise Transient("ALERT_NOT_SENT", f"the alert webhook cannot be reached ({type(error).__name__})") from None
        if answer.status in _TRIES.status_forcelist:
            raise Transient("ALERT_NOT_SENT", f"the alert webhook answered {answer.status}")
        if answer.status >= 300:
            raise Broken("ALERT_REFUSED", f"the alert webhook answered {answer.status}; check HUB_ALERT_WEBHOOK")
