"""What a job is, which messages it makes and which slots it needs: pure functions and frozen records."""
