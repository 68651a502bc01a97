"""Tests of the mechanism, of every service, and of the whole system; all on real parts."""
