"""The hub's command line: speaks HTTP to the service; `config check` needs no service, `up` runs the local stack."""
