"""What is reported: one file per estimand, found by name; contrasts between whichever arms there are."""
