"""What hangs on a model while it is being pruned."""
