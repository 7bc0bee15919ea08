"""Signatures of texts, to find near-duplicates by."""

from alembic import op

revision = "ingest_0003"
down_revision = "ingest_0002"


def upgrade() -> None:
    op.execute("""
    -- `bands` are hashes of parts of the signature and the workspace: alike texts have one or more in common.
    CREATE TABLE ingest.signatures (
        document_id text PRIMARY KEY REFERENCES ledger.documents ON DELETE CASCADE,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        signature bytea NOT NULL CHECK (length(signature) = 1024), bands int[] NOT NULL);
    -- Without fastupdate: every look-up would go through megabytes of entries that wait for a vacuum.
    CREATE INDEX signatures_bands ON ingest.signatures USING gin (bands) WITH (fastupdate = off);
    """)
