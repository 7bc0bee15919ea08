"""Alembic: the environment all schemas share, and the versions of the schema `ledger`."""
