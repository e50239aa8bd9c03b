"""What a notebook needs of where it runs."""
