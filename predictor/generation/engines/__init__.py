"""Have an engine make a video, and turn its file into the files of an attempt."""
