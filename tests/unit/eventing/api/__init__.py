"""Parts of the HTTP package without a server."""
