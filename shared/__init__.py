"""What at least two services need, and nothing else; `tests/architecture` keeps this list closed."""
