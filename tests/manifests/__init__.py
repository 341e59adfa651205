"""The chart, the configuration made from it, and the doctor, held against the real schemas."""
