"""What keeps the host from starting, and what it refuses to do.

StartFailed     the app, its host.json or its settings are wrong; the process exits with 1
└─ Unsupported  the real host can do this, this one can't; the message names the thing
"""


class StartFailed(Exception):
    """The host can't serve this app; the message says why and what to change."""


class Unsupported(StartFailed):
    """The app wants something of the real host that this one does not do."""
