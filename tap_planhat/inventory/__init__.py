"""Keeps ids and digests of what was loaded, so that rescans emit only what changed.

`entries` and `join` are pure; `folder`, `files` and `shelf` keep what they work on; `rescan` and
`increments` are what runs use; `deletions` decides what became of rows that were not read.
"""
