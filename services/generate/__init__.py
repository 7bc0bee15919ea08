"""Generate: a small server with TGI's HTTP contract on transformers, for a machine without TGI and for tests.

Read `api/` and `contract.py` (what goes over the wire), `scheduling.py` (who is generated when), `batching.py` (many
sequences in one forward pass), `sampling.py` and `guidance.py` (which token comes next).
"""
