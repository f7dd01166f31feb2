"""Reads what Planhat has before anything is written, and compares items with it."""
