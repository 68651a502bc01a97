"""The rules of company, free of the world: standard library and events only."""
