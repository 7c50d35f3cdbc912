"""Known defects at known rates, planted into the documents of any pool."""
