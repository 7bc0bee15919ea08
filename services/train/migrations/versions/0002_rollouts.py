"""Attempts to put a promoted generator in use on the generation server."""

from alembic import op

revision = "train_0002"
down_revision = "train_0001"


def upgrade() -> None:
    op.execute("""
    CREATE TABLE train.rollouts (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        workspace_id text NOT NULL, version_id text NOT NULL, promotion text NOT NULL,
        state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'succeeded', 'failed')),
        took_s jsonb NOT NULL DEFAULT '{}', reason jsonb,
        started_at timestamptz NOT NULL DEFAULT clock_timestamp(), finished_at timestamptz,
        UNIQUE (workspace_id, promotion));
    """)
