"""Start, watch and end the processes of the one-machine edition."""
