"""Ingest's tables in Postgres, and the only SQL over them."""
