"""Alembic's entry: runs the versions of one schema on the connection that `shared.database.migrate` hands in."""

from alembic import context

configuration = context.config.attributes
context.configure(
    connection=configuration["connection"],
    version_table="alembic_version",
    version_table_schema=configuration["schema"],
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
