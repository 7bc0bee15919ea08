"""The ledger: workspaces, documents, jobs, API keys, audit."""

from alembic import op

revision = "ledger_0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE ledger.workspaces (
        id text PRIMARY KEY, name text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());

    CREATE TABLE ledger.documents (
        id text PRIMARY KEY,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        batch_id text, parent_id text REFERENCES ledger.documents ON DELETE CASCADE,
        name text NOT NULL,
        state text NOT NULL DEFAULT 'pending'
            CHECK (state IN ('pending', 'running', 'succeeded', 'failed', 'canceled', 'skipped')),
        reason jsonb, open_jobs int NOT NULL DEFAULT 0, progress jsonb,
        created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        CHECK (open_jobs >= 0));
    CREATE INDEX documents_workspace ON ledger.documents (workspace_id, id DESC);
    CREATE INDEX documents_batch ON ledger.documents (batch_id, state);
    CREATE INDEX documents_parent ON ledger.documents (parent_id) WHERE parent_id IS NOT NULL;
    CREATE INDEX documents_open ON ledger.documents (created_at) WHERE state IN ('pending', 'running');

    CREATE TABLE ledger.jobs (
        id text PRIMARY KEY,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        document_id text REFERENCES ledger.documents ON DELETE CASCADE,
        name text NOT NULL, body jsonb NOT NULL,
        lane int NOT NULL DEFAULT 0 CHECK (lane IN (0, 1)),
        state text NOT NULL DEFAULT 'waiting'
            CHECK (state IN ('waiting', 'leased', 'done', 'quarantined', 'canceled')),
        fence int NOT NULL DEFAULT 0, attempts int NOT NULL DEFAULT 0, given_back int NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL DEFAULT now(), lease_until timestamptz, sent_at timestamptz,
        trouble text, reason jsonb,
        created_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz);
    CREATE INDEX jobs_open ON ledger.jobs (name, lane, id) WHERE state IN ('waiting', 'leased');
    CREATE INDEX jobs_document ON ledger.jobs (document_id) WHERE document_id IS NOT NULL;
    CREATE INDEX jobs_run ON ledger.jobs ((body->>'run')) WHERE body ? 'run';

    CREATE TABLE ledger.api_keys (
        id text PRIMARY KEY,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        kind text NOT NULL CHECK (kind IN ('key', 'session', 'login')),
        name text NOT NULL, role text NOT NULL CHECK (role IN ('reader', 'reviewer', 'admin')),
        prefix text NOT NULL UNIQUE, hash bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(), expires_at timestamptz, revoked_at timestamptz,
        created_by text);

    CREATE TABLE ledger.audit (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        at timestamptz NOT NULL, actor text NOT NULL, action text NOT NULL, subject text NOT NULL,
        detail jsonb NOT NULL, previous bytea NOT NULL, hash bytea NOT NULL);
    CREATE INDEX audit_workspace ON ledger.audit (workspace_id, id DESC);
    CREATE FUNCTION ledger.audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
    CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON ledger.audit
        FOR EACH ROW EXECUTE FUNCTION ledger.audit_is_append_only();
    """)
