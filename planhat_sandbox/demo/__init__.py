"""The sample tenant of `planhat-sandbox --demo`."""
