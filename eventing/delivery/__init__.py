"""Deliver the messages of the outbox to the sink, S3 and webhooks; relay.py retries, sender.py sends."""
