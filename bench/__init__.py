"""Benchmarks. Each run measures a peer beside the product and prints the machine with the results."""
