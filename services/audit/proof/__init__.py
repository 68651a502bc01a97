"""How the history proves itself: a tree over its leaves, signed, watched from outside, checked by anybody."""
