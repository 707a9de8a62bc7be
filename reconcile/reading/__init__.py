"""Reading what a provider lists and holding it against the record: the way of a backfill, from question to verdict.

What to ask
    asking.py    from what an operator asked for to what is asked of one source
    question.py  that question
    planes.py    which streams a source reads, and which of its topics they show
    memory.py    how far back they go, and what nobody can tell of what is older
    proof.py     what a covered window proves already
    plan.py      so what is left to read of each stream
    tiling.py    and which window comes next

Reading it
    reader.py    windows of one stream, page by page
    listing.py   pages as the provider gives them, guarded
    recorder.py  who takes what a page comes to: a run's record.py, or a dry run's dry.py

What the record lacks
    judge.py     a page against the ledger
    recorded.py  and against the app's own record
    recall.py    what we know and the listing lacks

What comes of it
    settling.py  what is covered now
    valve.py     what is held, and let go together
    stream.py    one stream of a source, from its plan to its report
    shared.py    what the streams of a source share meanwhile
"""
