"""Everything both services share; the predictor imports nothing else of eventing."""
