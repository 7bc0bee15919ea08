"""A small exact-truth corpus: the mail of Ardelune, an insurer that does not exist.

`python -m samples.make` writes the documents; `taxonomy.yaml` and `schemas.yaml` describe them; `gold.jsonl`
says what each of them is and contains. Nothing here is used by the services: they see only the files.
"""
