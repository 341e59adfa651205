"""Define jobs, their transitions, their messages and their pools: pure functions and frozen records."""
