"""What both services share: requests, events, errors, budgets, codecs. The predictor imports nothing else."""
