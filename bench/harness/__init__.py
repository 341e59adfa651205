"""What all benchmarks share: records, the results file, plots, processes, distances of videos."""
