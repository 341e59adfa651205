"""The steps that come with the service: one file for each, with `Parameters` and `run`."""
