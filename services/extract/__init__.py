"""Extract: the fields a document's class calls for, each with its place on the page.

Read `schema.py` (what to look for), `candidates.py` (what could be it), `ranker.py` (what people's labels
taught), `anchors.py` (what to do before there are labels), `embedded.py` (what the file itself carries) and
`extraction.py` (who wins).
"""
