"""Alembic versions of the schema `extract`."""
