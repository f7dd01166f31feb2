"""Speed, calls and memory of both connectors, with the loops they are compared with beside them.

`python -m benchmarks` runs everything; README.md here says what is measured and what came out.
"""
