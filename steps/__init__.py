"""Steps of stories that need no model: speech, titles, stills, joining, sound, subtitles.

`media/` reads and writes pictures and sound as streams, `builtin/` has one file per step. A step gets files
and parameters, and leaves files. It knows nothing of jobs, S3 or HTTP. Nothing here imports torch.
"""
