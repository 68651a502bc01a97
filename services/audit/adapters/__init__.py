"""What audit keeps beside its views."""
