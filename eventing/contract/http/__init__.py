"""What both services need of HTTP: limits of heads, methods, media types, URLs and addresses."""
