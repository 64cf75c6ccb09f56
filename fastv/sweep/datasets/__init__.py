"""Data sets for sweeps, one module per format; see ``registry``."""
