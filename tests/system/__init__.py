"""The whole system, started as its processes on real parts."""
