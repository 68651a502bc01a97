"""Outside things that products talks to, and what it keeps beside the log."""
