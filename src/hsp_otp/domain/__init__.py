"""The rules. Nothing here awaits, reads a clock, draws randomness, logs or does I/O."""
