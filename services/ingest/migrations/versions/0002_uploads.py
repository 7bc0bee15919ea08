"""Resumable uploads, what the collector found, sealed secrets, webhooks and their deliveries."""

from alembic import op

revision = "ingest_0002"
down_revision = "ingest_0001"


def upgrade() -> None:
    op.execute("""
    -- What a request asked for, so that its Idempotency-Key cannot stand for another one.
    ALTER TABLE ingest.answers ADD COLUMN fingerprint text NOT NULL DEFAULT '';

    -- When webhooks were told that the batch has ended; null again when documents of it start anew.
    ALTER TABLE ingest.batches ADD COLUMN announced_at timestamptz;
    UPDATE ingest.batches SET announced_at = clock_timestamp() WHERE finalized_at IS NOT NULL;
    CREATE INDEX batches_unannounced ON ingest.batches (id) WHERE finalized_at IS NOT NULL AND announced_at IS NULL;

    -- For quotas: what a workspace holds.
    CREATE INDEX files_workspace ON ingest.files (workspace_id) INCLUDE (size_bytes) WHERE duplicate_of IS NULL;

    -- `received` counts bytes that are in the store and have a row in `pieces`. `answer` is set when the upload has
    -- become a document; its pieces are gone then.
    CREATE TABLE ingest.uploads (
        id text PRIMARY KEY,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        batch_id text REFERENCES ingest.batches,
        name text NOT NULL, metadata text NOT NULL,
        size_bytes bigint NOT NULL CHECK (size_bytes > 0), received bigint NOT NULL DEFAULT 0,
        answer jsonb, created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(), expires_at timestamptz NOT NULL,
        CHECK (received BETWEEN 0 AND size_bytes));
    CREATE INDEX uploads_workspace ON ingest.uploads (workspace_id, expires_at);
    CREATE TABLE ingest.pieces (
        upload_id text NOT NULL REFERENCES ingest.uploads ON DELETE CASCADE,
        start bigint NOT NULL, size_bytes bigint NOT NULL, piece_key text NOT NULL,
        PRIMARY KEY (upload_id, start));
    CREATE INDEX pieces_key ON ingest.pieces (piece_key);

    -- Keys in the store that nobody pointed at. `swept_at`: the object is gone; whoever puts the same content and
    -- commits afterwards must look whether it came before or after that.
    CREATE TABLE ingest.garbage (
        key text PRIMARY KEY, workspace_id text NOT NULL,
        found_at timestamptz NOT NULL DEFAULT clock_timestamp(), swept_at timestamptz);
    CREATE INDEX garbage_workspace ON ingest.garbage (workspace_id, found_at);

    -- Secrets that must be used again: sealed here, the key to each as an object in the store.
    CREATE TABLE ingest.passwords (
        document_id text PRIMARY KEY REFERENCES ledger.documents ON DELETE CASCADE,
        secret_key text NOT NULL, sealed bytea NOT NULL);
    CREATE INDEX passwords_key ON ingest.passwords (secret_key);

    CREATE TABLE ingest.webhooks (
        id text PRIMARY KEY,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        url text NOT NULL, events text[] NOT NULL,
        secret_key text NOT NULL, sealed bytea NOT NULL,
        created_by text NOT NULL, created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        failures int NOT NULL DEFAULT 0, paused_until timestamptz, disabled_at timestamptz);
    CREATE INDEX webhooks_workspace ON ingest.webhooks (workspace_id, id DESC);
    CREATE INDEX webhooks_key ON ingest.webhooks (secret_key);
    CREATE TABLE ingest.deliveries (
        id text PRIMARY KEY,
        webhook_id text NOT NULL REFERENCES ingest.webhooks ON DELETE CASCADE,
        event_id text NOT NULL, event text NOT NULL, body text NOT NULL,
        state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead')),
        attempts int NOT NULL DEFAULT 0, status int, trouble text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(), ended_at timestamptz);
    CREATE INDEX deliveries_webhook ON ingest.deliveries (webhook_id, id DESC);

    -- How far in the stream of events webhooks have been told.
    CREATE TABLE ingest.announced (
        only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one), position bigint NOT NULL);
    INSERT INTO ingest.announced (position) SELECT COALESCE(max(position), 0) FROM ledger.events;
    """)
