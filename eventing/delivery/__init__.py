"""Outgoing deliveries: from a message in the outbox to its receiver, which is the sink, S3 or a webhook."""
