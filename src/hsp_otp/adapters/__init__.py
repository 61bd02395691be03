"""Implementations of the ports, with real technology and in memory. No adapter imports another."""
