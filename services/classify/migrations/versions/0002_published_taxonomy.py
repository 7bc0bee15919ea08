"""The words for every class, for other rooms to read."""

from alembic import op

revision = "classify_0002"
down_revision = "classify_0001"


def upgrade() -> None:
    op.execute("""
    -- One row per node of each workspace's newest taxonomy, inner nodes included.
    CREATE VIEW classify.published_taxonomy AS
        WITH RECURSIVE newest AS (
            SELECT DISTINCT ON (workspace_id) workspace_id, tree FROM classify.taxonomies
            ORDER BY workspace_id, version DESC),
        below AS (
            SELECT workspace_id, ARRAY[node ->> 'name'] AS path, node
            FROM newest, jsonb_array_elements(tree -> 'nodes') AS node
            UNION ALL
            SELECT workspace_id, path || (child ->> 'name'), child
            FROM below, jsonb_array_elements(COALESCE(node -> 'children', '[]')) AS child)
        SELECT workspace_id, path, COALESCE(node ->> 'description', '') AS description FROM below;
    """)
