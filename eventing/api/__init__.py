"""The HTTP side: one file per way in, and errors that become answers in one place."""
