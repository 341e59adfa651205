"""Find a server, call it, and turn its errors into exit statuses."""
