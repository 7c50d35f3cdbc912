"""Ground for whoever shows a study: `study.json`, all that a report says, in one versioned file."""
