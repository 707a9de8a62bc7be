"""The one way to a provider: origin-pinned httpx, tenacity, a shared rate budget, a deadline and a size cap.

origin.py     where requests may go: one scheme, host and port
budget.py     when they may start: a rate and pauses shared by all threads of a source
transport.py  how long they may take: one deadline over connecting, headers and body
body.py       how much they may bring: decoded bytes, counted while they stream
answer.py     what came back, and reading it as JSON
verdict.py    what a status means: which error, and whether asking again can help
faults.py     what a broken connection means
exchange.py   one request and its answer, of all these
retries.py    asking again, on exactly one kind of error
renewal.py    new credentials, once for all threads that saw the old ones refused
text.py       foreign text made fit for a message
client.py     `ProviderClient`, which is all of them together
"""

from reconcile.http.answer import Answer
from reconcile.http.budget import RateBudget
from reconcile.http.client import ProviderClient
from reconcile.http.exchange import HttpLimits

__all__ = ["Answer", "HttpLimits", "ProviderClient", "RateBudget"]
