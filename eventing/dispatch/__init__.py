"""Run queued jobs: claim one for a free slot, hold its lease, follow the predictor's stream to a verdict."""
