"""Planhat on localhost: the four resources as the pages describe them, with faults on demand.

`planhat-sandbox --demo` serves it by hand; `planhat-sandbox --help` names every fault and control.
From Python, `planhat_sandbox.server.running` serves it for the length of a `with` block.

A request passes `app` (HTTP, token, limits, faults) and `service` (which operation), then
`listing` or `upsert` and `records`, and ends in the `store` of a `tenant`. What Planhat leaves
open varies from answer to answer, by the seed: order of rows without a sort and of ties, shapes
of errors, which keys a bulk answer has. A client that works here relies on none of it.
"""
