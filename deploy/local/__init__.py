"""The local runtime: real parts, started as child processes of one supervisor, on loopback only."""
