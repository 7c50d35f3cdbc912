"""The page: one self-contained HTML file that shows studies, from their `study.json` alone."""
