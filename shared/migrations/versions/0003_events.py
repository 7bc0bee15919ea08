"""Events: every time a document came to an end, in an order that readers can follow without missing any."""

from alembic import op

revision = "ledger_0003"
down_revision = "ledger_0002"


def upgrade() -> None:
    op.execute("""
    -- `position` is given after the commit, by one reader at a time (shared/events.py): identity values are handed
    -- out before it, so that a slow transaction would appear behind a reader's back.
    CREATE TABLE ledger.events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        position bigint UNIQUE,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        batch_id text,
        document_id text NOT NULL REFERENCES ledger.documents ON DELETE CASCADE,
        state text NOT NULL, reason jsonb,
        at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX events_unnumbered ON ledger.events (id) WHERE position IS NULL;
    CREATE INDEX events_batch ON ledger.events (batch_id, position);
    CREATE INDEX events_document ON ledger.events (document_id);
    CREATE SEQUENCE ledger.event_positions;

    CREATE FUNCTION ledger.tell_the_end() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO ledger.events (workspace_id, batch_id, document_id, state, reason)
            VALUES (NEW.workspace_id, NEW.batch_id, NEW.id, NEW.state, NEW.reason);
        RETURN NULL;
    END $$;
    CREATE TRIGGER documents_tell_when_added AFTER INSERT ON ledger.documents FOR EACH ROW
        WHEN (NEW.state IN ('succeeded', 'failed', 'canceled', 'skipped'))
        EXECUTE FUNCTION ledger.tell_the_end();
    CREATE TRIGGER documents_tell_when_ended AFTER UPDATE OF state ON ledger.documents FOR EACH ROW
        WHEN (NEW.state IN ('succeeded', 'failed', 'canceled', 'skipped') AND NEW.state <> OLD.state)
        EXECUTE FUNCTION ledger.tell_the_end();
    """)
