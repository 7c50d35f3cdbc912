"""What text is made of, the same everywhere: lines, and the tokens that stand for them."""
