"""The operators' page: `docs/ops.md`."""
