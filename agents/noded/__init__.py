"""The node daemon: the one process of ours that stays, `docs/architecture.md`."""
