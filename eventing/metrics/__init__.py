"""Declare the metrics of the eventing service, by what they measure."""
