"""Drive a server with `/v1/videos` that makes the videos of a model in place of weights in this process.

dialects.py writes a request as the server wants it, answers.py reads its answers, client.py calls it, and
model.py is what the rest of the predictor has instead of a loaded model.
"""
