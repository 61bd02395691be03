"""Promises of ports, kept by real stores: files, locks and processes, no network."""
