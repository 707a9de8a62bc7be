"""Reading what a provider lists and holding it against the record: the way of a backfill, from question to verdict.

asking and plan (what to ask) -> tiling (which window next) -> reader and listing (its pages) -> judge and recorded
(what the record lacks of them) -> record and recall (written down in one commit) -> settling and valve (what comes of
it). `stream` does one stream of a source, from its plan to its report.
"""
