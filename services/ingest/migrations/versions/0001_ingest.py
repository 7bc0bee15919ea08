"""Batches, the files that came in, their readings, and answers that a repeated request gets again."""

from alembic import op

revision = "ingest_0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE ingest.batches (
        id text PRIMARY KEY,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        name text NOT NULL,
        finalized_at timestamptz, canceled_at timestamptz,
        created_by text NOT NULL, created_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX batches_workspace ON ingest.batches (workspace_id, id DESC);

    -- One row per document: where its bytes are. `depth` is 0 for uploads, 1 for their attachments, and so on.
    CREATE TABLE ingest.files (
        document_id text PRIMARY KEY REFERENCES ledger.documents ON DELETE CASCADE,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        original_key text NOT NULL, sha256 text NOT NULL, size_bytes bigint NOT NULL,
        depth int NOT NULL DEFAULT 0,
        duplicate_of text REFERENCES ledger.documents ON DELETE SET NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX files_original ON ingest.files (original_key);
    CREATE INDEX files_duplicate ON ingest.files (duplicate_of) WHERE duplicate_of IS NOT NULL;

    -- Who stands for these bytes in a workspace. Deferred: the owner's row may follow in the same transaction.
    CREATE TABLE ingest.contents (
        workspace_id text NOT NULL, sha256 text NOT NULL,
        document_id text NOT NULL REFERENCES ledger.documents ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
        PRIMARY KEY (workspace_id, sha256));
    CREATE INDEX contents_document ON ingest.contents (document_id);

    CREATE TABLE ingest.readings (
        document_id text PRIMARY KEY REFERENCES ledger.documents ON DELETE CASCADE,
        reading_key text NOT NULL, media_type text NOT NULL, language text,
        page_count int NOT NULL, characters int NOT NULL,
        quality double precision CHECK (quality BETWEEN 0 AND 1),
        source text NOT NULL CHECK (source IN ('text', 'ocr', 'mixed', 'none')),
        notes jsonb NOT NULL, container boolean NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX readings_key ON ingest.readings (reading_key);

    CREATE TABLE ingest.pictures (
        document_id text NOT NULL REFERENCES ledger.documents ON DELETE CASCADE,
        page int NOT NULL, width int NOT NULL, picture_key text NOT NULL,
        PRIMARY KEY (document_id, page, width));
    CREATE INDEX pictures_key ON ingest.pictures (picture_key);

    CREATE TABLE ingest.answers (
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        idempotency_key text NOT NULL, route text NOT NULL, answer jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (workspace_id, idempotency_key));

    CREATE VIEW ingest.published_readings AS
        SELECT readings.document_id, reading_key, original_key, media_type, language, page_count, sha256, size_bytes,
               quality, source
        FROM ingest.readings JOIN ingest.files USING (document_id);
    """)
