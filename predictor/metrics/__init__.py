"""Measure the predictor, on the registry that KServe's `/metrics` serves."""
