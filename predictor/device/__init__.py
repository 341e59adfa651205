"""Run one attempt at a time on one device, in one thread."""
