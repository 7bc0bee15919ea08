"""Answers questions about the documents, with quotes."""
