"""The one-machine edition: the same service with a local S3 server, SQLite and predictors as processes."""
