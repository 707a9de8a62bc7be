"""Where a SQLite ledger lies: what the system's list of mounts says of it."""

from __future__ import annotations

import pytest

from reconcile.ledger.filesystem import network_of

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/data {0}/shared nfs4 rw,vers=4.2 0 0
//server/more {0}/with\\040space cifs rw 0 0
server:/old {0}/covered nfs rw 0 0
/dev/sdb1 {0}/covered xfs rw 0 0
/dev/sdc1 {0}/shared/local btrfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("", ""),
        ("shared", "nfs4"),
        ("shared/deep/er", "nfs4"),
        ("sharedness", ""),
        ("with space", "cifs"),
        ("covered", ""),
        ("shared/local", ""),
    ],
)
def test_the_innermost_mount_says_what_a_file_lies_on(tmp_path, folder, kind):
    """A network file system is named; a local disk mounted in it, or over it, is none."""
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS.format(tmp_path.resolve()))
    assert network_of(f"sqlite:///{tmp_path / folder}/reconcile.db", mounts) == kind


def test_nothing_is_said_where_nothing_can_be_known(tmp_path):
    """PostgreSQL has no file of ours, and not every system lists its mounts."""
    assert network_of("postgresql://user:dummy@host/base") == ""
    assert network_of(f"sqlite:///{tmp_path}/reconcile.db", tmp_path / "none") == ""
