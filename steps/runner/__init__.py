"""Run commands as steps, over HTTP, with nothing but Python 3.9 and its standard library.

`python -m steps.runner`, or as one file for any container (steps/bundle.py). An attempt comes with addresses
that are signed for it alone, so a step needs no keys. The answer is the predictor's stream: progress, a
heartbeat after 10 s of silence, and one terminal record.
"""
