"""The sentence vector of each document, so that what to label next is found without reading them all again."""

from alembic import op

revision = "classify_0003"
down_revision = "classify_0002"


def upgrade() -> None:
    # Half-precision floats as they lie in memory; null for documents classified before.
    op.execute("ALTER TABLE classify.classes ADD COLUMN vector bytea")
