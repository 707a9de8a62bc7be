"""On what kind of file system a SQLite ledger lies. A network's has no locks and no shared memory to be relied on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from reconcile.ledger.engine import dialect_of, parse
from reconcile.ledger.sqlite_file import path_of

MOUNTS = Path("/proc/self/mounts")
_NETWORK = re.compile(
    r"9p|afs|beegfs|ceph|cifs|coda|fuse\.(cephfs|glusterfs|s3fs|sshfs)|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs4?|ocfs2|smb3|smbfs"
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


def network_of(url: str, mounts: Path = MOUNTS) -> str:
    """The network file system that the file of `url` lies on, such as `nfs4`; "" if none, or if nobody can say."""
    parsed = parse(url)
    if dialect_of(parsed) != "sqlite":
        return ""
    folder = path_of(parsed).parent.resolve()
    innermost, found = 0, ""
    for point, kind in _mounted(mounts):
        # Of several mounts on one point the last one counts.
        if folder.is_relative_to(point) and len(point.parts) >= innermost:
            innermost, found = len(point.parts), kind
    return found if _NETWORK.fullmatch(found) else ""


def _mounted(mounts: Path) -> Iterator[tuple[Path, str]]:
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:  # not every system has the file
        return
    for line in lines:
        _, point, kind, *_ = line.split(" ")
        yield Path(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), point)), kind
