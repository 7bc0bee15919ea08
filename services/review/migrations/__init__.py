"""Alembic versions of the schema `review`."""
