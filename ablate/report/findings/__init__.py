"""What a report finds out about its own numbers: values, beside what looks for them, that are put into words once."""
