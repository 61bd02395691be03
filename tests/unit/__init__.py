"""The core on its own: no socket, no event loop, no wall clock."""
