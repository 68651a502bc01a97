"""How the system is started and shipped: the local runtime, container files, generated contracts."""
