"""The server: processes, connections and signals."""
