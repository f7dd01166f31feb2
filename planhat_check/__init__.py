"""`planhat-check`: does a tenant behave as the connectors expect?

Asks a tenant for a few pages and says what was seen and what follows from it: what can be read,
in which order, at which size, and what a first sync will cost. Writes only with `--write`.
"""
