"""Load the parts of a pipeline and its adapters."""
