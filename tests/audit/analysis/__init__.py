"""What analysts do with the history: exports, replays, SQL, notebooks."""
