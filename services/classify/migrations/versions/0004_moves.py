"""Classes that were renamed: labels and models of before are read with today's names."""

from alembic import op

revision = "classify_0004"
down_revision = "classify_0003"


def upgrade() -> None:
    op.execute("""
    CREATE TABLE classify.moves (
        id text PRIMARY KEY,
        workspace_id text NOT NULL REFERENCES ledger.workspaces,
        version int NOT NULL, source text[] NOT NULL, target text[] NOT NULL);
    CREATE INDEX moves_workspace ON classify.moves (workspace_id, id);
    """)
