"""Telling people what they should know: by mail, and by a dead-man's switch.

An incident, or the state it is worked out of, is committed with what happened. One commit of the alerts job turns
what nobody was told yet into mails; sending comes after, and may be repeated without telling anyone twice.

watch.py     what the ledger's state shows: incidents opened and closed by looking
matters.py   what is the matter with a source
missed.py    and with the schedules
keys.py      how incidents that are looked for are told from those that are told
due.py       who is to be told what now          (pure)
kinds.py     what each kind is called, and the command that resolves it
digest.py    many incidents as few groups        (pure)
render.py    text and HTML
message.py   the bytes that leave
outbox.py    from what is due to mails that wait
delivery.py  sending those that wait
smtp.py      handing them to a mail server
deadman.py   pinging another service at each run
"""
