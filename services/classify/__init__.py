"""Classify: says what a document is, how sure that is, and when none of the classes fits."""
