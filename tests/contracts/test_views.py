from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from shared.facts import VIEWS


@pytest.mark.parametrize("view", VIEWS)
def test_a_published_view_has_exactly_the_columns_of_the_contract(engine: Engine, view: str) -> None:
    schema, _, name = view.partition(".")
    query = text(
        "SELECT column_name FROM information_schema.columns"
        " WHERE table_schema = :schema AND table_name = :name ORDER BY ordinal_position"
    )
    with engine.connect() as connection:
        found = tuple(connection.execute(query, {"schema": schema, "name": name}).scalars())
    assert found == VIEWS[view]
