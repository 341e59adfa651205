"""Translate between bytes and records: JSON, CloudEvents, errors of validation, the predictor's stream."""
