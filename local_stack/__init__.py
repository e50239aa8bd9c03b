"""The cloud on one machine, from real parts. Nothing in production imports it."""
