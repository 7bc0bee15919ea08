"""The registry: model versions, and which one is in use."""

from alembic import op

revision = "ledger_0002"
down_revision = "ledger_0001"


def upgrade() -> None:
    op.execute("""
    CREATE TABLE ledger.model_versions (
        id text PRIMARY KEY,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        role text NOT NULL CHECK (role IN ('classifier', 'extractor', 'generator')),
        digest text NOT NULL, artefact_key text NOT NULL,
        lineage jsonb NOT NULL, metrics jsonb NOT NULL,
        licence text, run text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (workspace_id, role, digest));

    CREATE TABLE ledger.promotions (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        role text NOT NULL,
        action text NOT NULL CHECK (action IN ('promote', 'rollback')),
        version_id text NOT NULL REFERENCES ledger.model_versions,
        by text NOT NULL, reason text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX promotions_role ON ledger.promotions (workspace_id, role, id DESC);
    CREATE FUNCTION ledger.promotions_are_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'promotions are append-only'; END $$;
    CREATE TRIGGER promotions_append_only BEFORE UPDATE OR DELETE ON ledger.promotions
        FOR EACH ROW EXECUTE FUNCTION ledger.promotions_are_append_only();
    """)
