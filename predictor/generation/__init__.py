"""Make one video: from the fields of a request to files, and to the records that report them."""
