"""What is reported: one file per estimand, found by name or where the user keeps it; contrasts between whichever arms there are."""
