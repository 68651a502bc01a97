"""Read models of company: one file a question."""
