"""Synthetic text: recipes make questions of seeds, a teacher answers, answers become documents with their provenance."""
