"""Share one video among several GPUs: one process a GPU. Rank 0 is the predictor's own process.

`start.py` brings all ranks up, `pipeline.py` runs a video on all of them, `group.py` has what torch does, and
`processes.py` rank 0's end of the channels. `__main__.py` is the process of every other rank.
"""
