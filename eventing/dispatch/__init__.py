"""From a waiting job to its verdict: claim, open a predictor, follow its stream."""
