"""Store the order of the lanes: turns, candidates of a claim, circuit breakers, and what is due."""
