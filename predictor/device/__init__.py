"""One device, one thread, one job at a time."""
