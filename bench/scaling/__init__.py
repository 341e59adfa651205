"""Simulate Knative's autoscaler on a day of jobs, so that its knobs are chosen by numbers: docs/scale.md."""
