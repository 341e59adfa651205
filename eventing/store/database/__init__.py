"""Open and use SQLite and PostgreSQL alike: connections, transactions, fixed statements, drivers' errors."""
