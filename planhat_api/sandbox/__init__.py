"""Planhat on localhost: the four resources as the pages describe them, with faults on demand."""
