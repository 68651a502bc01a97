"""The rules of products, free of the world: standard library and events only."""
