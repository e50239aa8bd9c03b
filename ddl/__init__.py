"""The tables the hub owns: one .sql file a table, read as package data."""
