"""Write a whole transition or claim in one statement (PostgreSQL without a pooler)."""
