"""Review's tables, in the Postgres schema `review`; only this service writes them.

The SQL over them lies beside this: `said.py` (what people said), `stated.py` (what the machine said),
`decided.py` (what was decided).
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Identity,
    Integer,
    MetaData,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(schema="review")

#: A person's words. Never changed: a newer one supersedes the one before. `name` is "" for the class; `path` ()
#: means outside of the taxonomy; `value` null means that the document does not have the field.
labels = Table(
    "labels",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("path", ARRAY(Text)),
    Column("value", JSONB(none_as_null=True)),
    Column("evidence", JSONB(none_as_null=True)),
    Column("author", Text, nullable=False),
    Column("audit", Boolean, nullable=False, server_default="false"),
    Column("created_at", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
    Column("superseded_at", DateTime(timezone=True)),
    Column("superseded_by", Text),
)

#: A person declared the document done, while its class was `path`.
reviews = Table(
    "reviews",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("document_id", Text, nullable=False),
    Column("path", ARRAY(Text), nullable=False),
    Column("author", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
)

#: One row per document that was decided on. `reasons`: [{code, message, field}].
verdicts = Table(
    "verdicts",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("workspace_id", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reasons", JSONB, nullable=False),
    Column("usefulness", Float, nullable=False),
    Column("created_at", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
)

#: What the labels allow, per kind of statement (`name` is "" for the class); computed from the labels, never edited.
thresholds = Table(
    "thresholds",
    metadata,
    Column("workspace_id", Text, primary_key=True),
    Column("task", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Float),
    Column("judged", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),
    #: When `value` last changed: verdicts older than this may be due for another look.
    Column("changed_at", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
)

#: When the thresholds of a workspace were last computed.
calibrations = Table(
    "calibrations",
    metadata,
    Column("workspace_id", Text, primary_key=True),
    Column("computed_at", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
)
