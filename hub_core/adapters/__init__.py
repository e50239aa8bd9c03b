"""The outside world behind `hub_core.ports`. SDKs are imported where they are first used, and connect only then."""
