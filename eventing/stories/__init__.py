"""The use cases of stories, and the loop that moves them.

`plan.py` makes a story of a request: `scenes.py` has the short form, `videos.py` the video steps, `seeds.py`
their seeds, `inputs.py` the files at addresses. `revise.py` changes a request.
"""
