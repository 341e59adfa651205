"""Everything that is stored: jobs, slots, messages, keys. All SQL is here."""
