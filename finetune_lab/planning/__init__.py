"""What a training will take before it is begun: memory by part, time, and what would fit instead (docs/planning.md)."""
