"""Light classifiers of text quality: trained on a teacher's labels, or to tell a reference corpus apart."""
