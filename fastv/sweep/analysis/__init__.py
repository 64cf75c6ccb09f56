"""From the records of a sweep to its tables and its recommendation."""
