"""Read live clusters and installations."""
