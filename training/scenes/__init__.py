"""What a clip shows: scenes, their captions and words, their frames, and the check of a video."""
