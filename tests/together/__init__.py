"""Several services at once: real databases, what each says is carried to the others by the test instead of a broker."""
