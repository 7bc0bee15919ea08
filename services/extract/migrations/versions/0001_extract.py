"""Schemas with their versions, and what was extracted."""

from alembic import op

revision = "extract_0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
    -- Only ever appended: the newest version of a name counts, and a schema that was deleted has a last, deleted one.
    CREATE TABLE extract.schemas (
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        name text NOT NULL, version int NOT NULL,
        path text[] NOT NULL, fields jsonb NOT NULL,
        deleted boolean NOT NULL DEFAULT false,
        author text NOT NULL, created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (workspace_id, name, version));

    -- One row per document that was looked at; schema_name is null where no schema stands on its path.
    CREATE TABLE extract.extractions (
        document_id text PRIMARY KEY REFERENCES ledger.documents ON DELETE CASCADE,
        workspace_id text NOT NULL, schema_name text, path text[] NOT NULL,
        -- Required fields without a value: name to type.
        missing jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX extractions_workspace ON extract.extractions (workspace_id, document_id);

    CREATE TABLE extract.fields (
        document_id text NOT NULL REFERENCES extract.extractions ON DELETE CASCADE,
        name text NOT NULL, position int NOT NULL, type text NOT NULL,
        value jsonb NOT NULL, text text,
        confidence double precision CHECK (confidence BETWEEN 0 AND 1), evidence jsonb,
        engine text NOT NULL, model text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (document_id, name, position));

    CREATE VIEW extract.published_fields AS
        SELECT document_id, name, position, value, text, confidence, evidence, engine, model, type, created_at
        FROM extract.fields
        -- A required field that could not be filled is a row without a value, so that a person is asked for it.
        UNION ALL
        SELECT document_id, lacking.key, 0, NULL, NULL, NULL, NULL, 'none', '', lacking.value, created_at
        FROM extract.extractions, jsonb_each_text(missing) AS lacking;
    """)
