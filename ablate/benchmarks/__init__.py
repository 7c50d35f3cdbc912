"""Benchmark items as files: read by evaluation, by decontamination and by who plants leaks."""
