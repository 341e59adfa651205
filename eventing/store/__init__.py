"""Everything that is remembered: jobs, places, messages, keys. SQL lives here and nowhere else."""
