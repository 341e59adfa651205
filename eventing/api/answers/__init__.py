"""Answer requests: errors in the format of their path, files of a result, and the wait for an end."""
