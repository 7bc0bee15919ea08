"""What the generated engine said, kept to learn how far its agreement is to be trusted."""

from alembic import op

revision = "extract_0004"
down_revision = "extract_0003"


def upgrade() -> None:
    # By field: a list of values. Null where the engine was not asked.
    op.execute("ALTER TABLE extract.extractions ADD COLUMN generated jsonb")
