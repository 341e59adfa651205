"""Commands that talk to a server over HTTP: submit, watch, list and the others."""
