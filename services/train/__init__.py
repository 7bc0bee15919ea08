"""Train: from people's labels to a model version in use, gated, with its lineage, and reversible."""
