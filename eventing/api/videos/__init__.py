"""Serve `/v1/videos`: the OpenAI Videos API and its dialects."""
