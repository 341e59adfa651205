"""Read the fields and prompts of a request from the command line."""
