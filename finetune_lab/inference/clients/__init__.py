"""Judge models, wherever they run: one protocol, one runner, and every reply kept (docs/judges.md)."""
