"""Knative's data plane, small: what stands between the dispatcher and a predictor on a cluster."""
