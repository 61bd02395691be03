"""Stores in Redis or Valkey: a single server, a cluster, or a service behind sentinels."""
