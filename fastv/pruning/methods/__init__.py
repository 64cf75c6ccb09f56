"""All pruning methods, one file each; ``registry`` lists them. Importing any of it does not import torch."""
