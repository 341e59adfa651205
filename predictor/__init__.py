"""The predictor: one KServe process that turns one request at a time into a video.

Heavy on purpose: torch lives here. It keeps no job state; eventing does that.
"""
