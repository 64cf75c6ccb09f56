"""A finished sweep as files to take away."""
