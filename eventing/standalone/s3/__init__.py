"""Run a real S3 server for one machine."""
