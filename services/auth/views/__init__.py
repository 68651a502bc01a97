"""What auth can answer, each question with its own table."""
