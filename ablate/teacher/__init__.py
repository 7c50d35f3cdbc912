"""Teachers: models that are asked questions, by `label` for scores and by `generate` for texts; every answer is kept."""
