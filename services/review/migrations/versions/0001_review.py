"""Labels, closed reviews, verdicts, and the thresholds they were made with."""

from alembic import op

revision = "review_0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE review.labels (
        id text PRIMARY KEY,
        workspace_id text NOT NULL,
        document_id text NOT NULL REFERENCES ledger.documents ON DELETE CASCADE,
        task text NOT NULL CHECK (task IN ('class', 'field')),
        name text NOT NULL DEFAULT '',
        path text[], value jsonb, evidence jsonb,
        author text NOT NULL,
        audit boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        superseded_at timestamptz, superseded_by text,
        CHECK ((task = 'class') = (path IS NOT NULL)),
        CHECK ((task = 'field') = (name <> '')));
    CREATE UNIQUE INDEX labels_current ON review.labels (document_id, task, name, audit)
        WHERE superseded_at IS NULL;
    CREATE INDEX labels_workspace ON review.labels (workspace_id, id DESC) WHERE superseded_at IS NULL;

    CREATE TABLE review.reviews (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        workspace_id text NOT NULL,
        document_id text NOT NULL REFERENCES ledger.documents ON DELETE CASCADE,
        path text[] NOT NULL,
        author text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX reviews_document ON review.reviews (document_id, id DESC);

    CREATE TABLE review.verdicts (
        document_id text PRIMARY KEY REFERENCES ledger.documents ON DELETE CASCADE,
        workspace_id text NOT NULL,
        decision text NOT NULL CHECK (decision IN ('accepted', 'needs_review', 'reviewed')),
        reasons jsonb NOT NULL,
        usefulness double precision NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE INDEX verdicts_queue ON review.verdicts (workspace_id, usefulness DESC, document_id)
        WHERE decision = 'needs_review';

    CREATE TABLE review.thresholds (
        workspace_id text NOT NULL,
        task text NOT NULL, name text NOT NULL,
        value double precision, judged int NOT NULL, wanted int NOT NULL,
        changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (workspace_id, task, name));
    CREATE TABLE review.calibrations (
        workspace_id text PRIMARY KEY,
        computed_at timestamptz NOT NULL DEFAULT clock_timestamp());

    CREATE VIEW review.published_labels AS
        SELECT id, workspace_id, document_id, task, nullif(name, '') AS name, path, value, evidence, author,
            created_at, audit
        FROM review.labels WHERE superseded_at IS NULL;

    CREATE VIEW review.published_verdicts AS
        SELECT document_id, decision, reasons, created_at FROM review.verdicts;
    """)
