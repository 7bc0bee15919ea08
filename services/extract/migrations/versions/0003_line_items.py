"""Line items, constraints and flags."""

from alembic import op

revision = "extract_0003"
down_revision = "extract_0002"


def upgrade() -> None:
    op.execute("""
    ALTER TABLE extract.schemas
        ADD COLUMN line_items jsonb NOT NULL DEFAULT '[]',
        ADD COLUMN constraints jsonb NOT NULL DEFAULT '[]';

    ALTER TABLE extract.extractions
        -- Rows of a table: [{page, cells: {column: {value, start, end}}}].
        ADD COLUMN line_items jsonb NOT NULL DEFAULT '[]',
        -- Broken rules and differences: [{code, message, fields}].
        ADD COLUMN flags jsonb NOT NULL DEFAULT '[]';
    """)
