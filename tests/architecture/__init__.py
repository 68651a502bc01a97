"""How the code is laid out, held by tests: each rule is seen to fail on a small bad example too."""
