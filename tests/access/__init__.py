"""Who may do what, asked of the whole running system: every operation by everybody, and whatever might leak."""
