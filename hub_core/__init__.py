"""The core that decides: pure modules, one a step, and the adapters round them."""
