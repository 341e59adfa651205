"""What is measured beside the product, and processes without generation."""
