"""The Python API: a study as pandas frames, tables and figures, from its folder or from a report's `study.json` alone."""
