"""Sends items by bulk upsert until the outcome of each is known."""
