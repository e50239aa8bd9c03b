"""Outages that take long: run by `make test-outages`, not by `make test`."""
