"""Formats of exports: one file each, with its `FORMAT`."""
