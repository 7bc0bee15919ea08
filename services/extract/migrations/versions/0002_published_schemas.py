"""The words for every field, for other rooms to read."""

from alembic import op

revision = "extract_0002"
down_revision = "extract_0001"


def upgrade() -> None:
    op.execute("""
    -- One row per field of the newest version of each schema that was not deleted.
    CREATE VIEW extract.published_schemas AS
        WITH newest AS (
            SELECT DISTINCT ON (workspace_id, name) workspace_id, path, fields, deleted FROM extract.schemas
            ORDER BY workspace_id, name, version DESC)
        SELECT workspace_id, path, field ->> 'name' AS name, field ->> 'type' AS type,
            COALESCE(field ->> 'description', '') AS description,
            ARRAY(SELECT jsonb_array_elements_text(COALESCE(field -> 'anchors', '[]'))) AS anchors
        FROM newest, jsonb_array_elements(fields) AS field WHERE NOT deleted;
    """)
