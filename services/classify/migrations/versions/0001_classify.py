"""Versions of the taxonomy, and what each document is."""

from alembic import op

revision = "classify_0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE classify.taxonomies (
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        version int NOT NULL,
        tree jsonb NOT NULL,
        author text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (workspace_id, version));

    CREATE TABLE classify.classes (
        document_id text PRIMARY KEY REFERENCES ledger.documents ON DELETE CASCADE,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        path text[] NOT NULL, confidence double precision[] NOT NULL, in_scope boolean NOT NULL,
        alternatives jsonb NOT NULL,
        model text NOT NULL, taxonomy_version int NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CHECK (in_scope OR cardinality(path) = 0),
        CHECK (cardinality(confidence) = cardinality(path)));
    CREATE INDEX classes_path ON classify.classes (workspace_id, path);

    CREATE VIEW classify.published_classes AS
        SELECT document_id, path, confidence, in_scope, model, created_at FROM classify.classes;
    """)
