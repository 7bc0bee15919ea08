"""The Alembic versions of the schema `ingest`."""
