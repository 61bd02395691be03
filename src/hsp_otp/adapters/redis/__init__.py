"""What lives in Redis, or Valkey: a single server, a cluster, or behind sentinels."""
