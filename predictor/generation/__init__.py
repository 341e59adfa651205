"""One generation, from the fields of a request to files and the records that report them."""
