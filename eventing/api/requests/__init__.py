"""Read requests: bodies and their limits, the path prefix, the trace, the origin of a submission."""
