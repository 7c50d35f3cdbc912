"""A study shown on the page while its runs go on: what each run does now, and the server that says so on this machine."""
