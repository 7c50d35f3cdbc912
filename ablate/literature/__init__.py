"""Numbers that papers print, as data: one CSV per source table, with where each stands, and BibTeX beside them."""
