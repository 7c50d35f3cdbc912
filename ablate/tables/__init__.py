"""Tables for papers: one model of typed cells, a file per kind of table, a file per format that it is written in."""
