"""Check the ways of events: Brokers, Triggers, bindings, sinks and doors."""
