"""Read and write clips as streams of frames and samples, so that no step holds a whole film in memory."""
