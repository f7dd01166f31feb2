"""Converts records of any tap to items for Planhat, or to the reason why that is impossible."""
