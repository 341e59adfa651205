"""Benchmarks: peers side by side in the same run, results printed with the machine they ran on."""
