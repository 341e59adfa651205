"""Take pictures in: fetch them by their address, decode them apart from this process, store them in S3."""
