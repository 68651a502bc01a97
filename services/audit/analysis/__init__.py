"""What analysts do with the history: export it, replay it, ask it in SQL, draw it."""
