"""The rules of profiles, free of the world: standard library, events and the published IDNA tables only."""
