"""The event store: append, load and read events on PostgreSQL, in one total order, with views in the same commit."""
