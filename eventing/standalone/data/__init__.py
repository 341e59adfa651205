"""Keep the data directory and what lies in it."""
