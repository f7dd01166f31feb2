"""What was loaded already: an inventory of ids and digests, so that rescans emit what changed.

`entries` and `join` are pure; `folder`, `files` and `shelf` keep what they work on; `rescan` and
`increments` are what runs use; `deletions` decides what became of rows that were not read.
"""
