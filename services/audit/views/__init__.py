"""The read models of audit."""
