"""Read and write S3 objects and weight folders, and compare checksums."""
