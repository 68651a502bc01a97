"""Read models of products: one file a question."""
