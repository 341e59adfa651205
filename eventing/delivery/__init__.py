"""From a message in the outbox to its receiver: the sink, S3 or a webhook."""
