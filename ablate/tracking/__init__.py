"""Where runs are shown while they train; the study folder never depends on it."""
