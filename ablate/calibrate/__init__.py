"""The instrument checks itself: intervals and tests against a known or well-measured truth."""
