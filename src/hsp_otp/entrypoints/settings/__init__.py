"""Every setting: where it comes from, what it takes, and what it means."""
