"""The front of the generation server: one port, and behind it the version in use and the one before it.

Read `switching.py` (how one version takes another's place), `backend.py` (a version in a process of its own),
`canary.py` (what a new version must answer before anybody sees it), `proxy.py` (requests on their way through).
"""
