"""Digests as text and as HTML. Whatever a provider wrote is data in both: escaped, on one line, nothing invisible.

The subject is made of our own words, numbers and the names of sources alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from reconcile import when
from reconcile.alerts import digest
from reconcile.alerts.digest import News, Part
from reconcile.alerts.due import CLEARED, ESCALATED, OPENED, REPEATED
from reconcile.ledger.incidents import Incident
from reconcile.safe import safe

#: Characters of a provider's text that a mail shows.
LONGEST = 600
#: Transactions a third party's mail names; the rest is counted.
MOST_NAMED = 500


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's subject and its two bodies."""

    subject: str
    plain: str
    html: str


def _shown(text: object) -> str:
    return safe(str(text), LONGEST)


def _money(incident: Incident) -> str:
    return _shown(f"{incident.amount} {incident.currency}".strip() or "-")


def _said(incident: Incident) -> str:
    """One line about one incident: what, how much, why it is over."""
    words = [incident.reference if incident.reference not in incident.summary else "", incident.summary]
    if incident.amount:
        words.append(f"({incident.amount} {incident.currency})".replace(" )", ")"))
    if incident.note:
        words.append(f"[{incident.note}]")
    return _shown(f"#{incident.id} {' '.join(filter(None, words))}")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reconcile.alerts"),
        autoescape=select_autoescape(("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(shown=_shown, stamp=when.stamp, money=_money, said=_said)
    return environment


_TEMPLATES = _environment()


def for_operators(news: News, *, most: int, repeat: timedelta) -> Rendered:
    """The digest: by state and cause, each cause with what was tried and the command that resolves it."""
    parts = digest.parts(news, most)
    headline = _headline(parts)
    return _both(
        "digest", f"[reconcile] {headline}{_about(parts)}", headline=headline, parts=parts, repeat=when.span(repeat)
    )


def for_third_party(news: News, *, source: str, sender: str, minor: bool = False) -> Rendered:
    """What someone outside needs to settle transactions by hand: references, amounts and times, nothing else.

    `minor`: the amounts are in the currency's smallest unit.
    """
    still = [incident for incident, notice in news if notice.state != CLEARED]
    over = [incident for incident, notice in news if notice.state == CLEARED]
    what = f"{_count(len(still), 'transaction')} to settle by hand" if still else "transactions settled"
    return _both(
        "settle",
        f"{what} ({source})",
        headline=what[0].upper() + what[1:],
        open=_oldest(still),
        open_more=max(0, len(still) - MOST_NAMED),
        over=_oldest(over),
        over_more=max(0, len(over) - MOST_NAMED),
        sender=sender,
        minor=minor and any(incident.amount for incident, _ in news),
    )


def trial() -> Rendered:
    """What is sent to see whether mail arrives."""
    return _both("trial", "[reconcile] test", headline="A test")


def _both(template: str, subject: str, **values: object) -> Rendered:
    text, html = (_TEMPLATES.get_template(f"{template}.{form}").render(values) for form in ("txt", "html"))
    return Rendered(subject, text, html)


def _oldest(incidents: Sequence[Incident]) -> list[Incident]:
    return sorted(incidents, key=lambda incident: (incident.since, incident.id))[:MOST_NAMED]


def _headline(parts: Sequence[Part]) -> str:
    """Such as `3 new, 1 cleared at acme-shop`; what is over comes last."""
    words = {OPENED: "new", ESCALATED: "not taken on yet", REPEATED: "still open", CLEARED: "cleared"}
    counts = ", ".join(f"{part.count:,} {words[part.state]}" for part in parts)
    sources = sorted({group.source for part in parts for group in part.groups if group.source})
    if not sources:
        return counts
    more = f" and {len(sources) - 3} more" if len(sources) > 3 else ""
    return f"{counts} at {', '.join(sources[:3])}{more}"


def _about(parts: Sequence[Part]) -> str:
    """What most of it is, so that a list of mails tells more than numbers."""
    titles = list(dict.fromkeys(group.title for part in parts for group in part.groups))
    if not titles:
        return ""
    return f": {titles[0]}{f' and {len(titles) - 1} more' if titles[1:] else ''}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
