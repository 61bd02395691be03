"""The operator's page: `docs/ops.md`."""
