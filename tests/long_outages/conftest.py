"""See tests/outages/fixtures.py."""

from tests.outages.fixtures import calm, host, hub, service, through

__all__ = ["calm", "host", "hub", "service", "through"]
