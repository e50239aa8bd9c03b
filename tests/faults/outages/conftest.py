"""See tests/outages/fixtures.py."""

from tests.outages.fixtures import calm, hub, service, through

__all__ = ["calm", "hub", "service", "through"]
