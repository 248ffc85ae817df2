"""Alembic's entry: runs migrations on the connection that `storage/migrate.py` hands over, inside its transaction."""

from alembic import context

from storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    render_as_batch=True,  # SQLite alters a table by copying it
    transactional_ddl=True,  # true of SQLite too, since storage/database.py begins transactions itself
)
with context.begin_transaction():
    context.run_migrations()
