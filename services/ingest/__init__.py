"""Ingest: any document in, clean text with exact geometry out."""
