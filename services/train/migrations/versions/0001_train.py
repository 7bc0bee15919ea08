"""Runs, their events, and the snapshots of labels they learned from."""

from alembic import op

revision = "train_0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE train.snapshots (
        workspace_id text NOT NULL, digest text NOT NULL, key text NOT NULL, counts jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (workspace_id, digest));

    CREATE TABLE train.snapshot_labels (
        workspace_id text NOT NULL, digest text NOT NULL, label_id text NOT NULL, document_id text NOT NULL,
        PRIMARY KEY (workspace_id, digest, label_id),
        FOREIGN KEY (workspace_id, digest) REFERENCES train.snapshots ON DELETE CASCADE);
    CREATE INDEX snapshot_labels_document ON train.snapshot_labels (document_id);

    CREATE TABLE train.runs (
        id text PRIMARY KEY,
        workspace_id text NOT NULL,
        role text NOT NULL CHECK (role IN ('classifier', 'extractor', 'generator')),
        method text NOT NULL CHECK (method IN ('fit', 'qlora', 'lora', 'full')),
        state text NOT NULL DEFAULT 'pending'
            CHECK (state IN ('pending', 'running', 'succeeded', 'refused', 'failed', 'canceled')),
        parameters jsonb NOT NULL DEFAULT '{}',
        snapshot_digest text NOT NULL, snapshot_key text NOT NULL,
        promote boolean NOT NULL DEFAULT false,
        metrics jsonb NOT NULL DEFAULT '{}', reason jsonb, version_id text,
        fence int NOT NULL DEFAULT 0, heartbeat_at timestamptz,
        created_by text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        started_at timestamptz, finished_at timestamptz,
        FOREIGN KEY (workspace_id, snapshot_digest) REFERENCES train.snapshots);
    CREATE INDEX runs_workspace ON train.runs (workspace_id, id DESC);
    CREATE INDEX runs_open ON train.runs (method, id) WHERE state IN ('pending', 'running');

    CREATE TABLE train.events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id text NOT NULL REFERENCES train.runs ON DELETE CASCADE,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        kind text NOT NULL CHECK (kind IN ('log', 'metrics')),
        message text NOT NULL DEFAULT '', measured jsonb);
    CREATE INDEX events_run ON train.events (run_id, id);

    CREATE VIEW train.published_runs AS
        SELECT id, workspace_id, role, snapshot_key, promote, parameters FROM train.runs;
    """)
