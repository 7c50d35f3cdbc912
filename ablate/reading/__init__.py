"""From the bytes of files that a user gives to text and records."""
