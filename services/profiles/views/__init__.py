"""Read models of profiles: one file a question."""
