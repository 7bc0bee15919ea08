"""HTTP in: TGI's contract. `application.py` puts it together, `tgi.py` and `openai.py` have the routes."""
