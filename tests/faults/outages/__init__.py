"""Outages that take long: run by `make test-faults`, not by `make test`."""
