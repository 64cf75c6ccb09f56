"""Plug-ins for other people's programs; each needs its program's package."""
