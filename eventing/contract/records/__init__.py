"""Define the records that cross a wire: requests, specs, results, events."""
