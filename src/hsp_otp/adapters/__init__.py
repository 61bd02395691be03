"""The ports kept with real technology, and in memory. No adapter knows another."""
