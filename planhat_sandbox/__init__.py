"""A stand-in for Planhat on localhost, with sample data and fault injection.

Run `planhat-sandbox --demo` to build and test a pipeline without a tenant; `--help` lists every
fault and control. In a test, `planhat_sandbox.server.running` runs one for a `with` block.

It follows the pages of Planhat's API. What they leave open varies: from answer to answer (the
order of ties, shapes of errors, keys of an upsert's answer) or from one seed to the next
(`tenant/habits.py`), so that a client that passes here relies on none of it.

A request goes through `app` (HTTP, token, limits, faults) to `service` (which operation), from
there to `tenant/listing.py`, `tenant/records.py` or `tenant/upsert.py`, and to the `store`.
"""
