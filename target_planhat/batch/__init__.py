"""Collects records into batches, writes these, and keeps the rejected records."""
