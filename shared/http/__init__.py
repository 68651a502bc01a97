"""HTTP: how every service is asked and how it answers."""
