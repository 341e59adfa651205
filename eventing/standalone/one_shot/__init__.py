"""`reelzero run`: one prompt through everything real."""
