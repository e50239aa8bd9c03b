"""The command line: speaks HTTP to the service; `config check` uses hub_core; `up` runs the local stack."""
