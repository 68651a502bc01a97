"""What touches the world, and what auth keeps beside its log because no event may carry it."""
