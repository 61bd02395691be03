"""The domain rules: pure code without await, clock, randomness, logging or I/O."""
