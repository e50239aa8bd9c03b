"""Files into bronze."""
