"""Telling people: what is to be told (`watch`, `due`), how it is put (`digest`, `render`), and how it leaves (`smtp`).

An incident, or the state it is worked out of, is committed with what happened. One commit of the alerts job turns
what nobody was told yet into mails; sending comes after, and may be repeated without telling anyone twice.
"""
