"""SQL, the Redis ledger, migrations and rebuild."""
