"""File systems that several machines share: whether a folder lies on one, and whether a lock that one machine takes there holds on the others."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from closedbook.util.errors import UserError

MOUNTS = Path("/proc/self/mountinfo")
"""Linux's list of what is mounted; elsewhere there is none, and every folder counts as this machine's own"""
SHARED = re.compile(r"nfs4?|lustre|gpfs|ceph|cifs|smb3|beegfs|wekafs|panfs|pvfs2|orangefs|ocfs2|gfs2|fuse\..+")
"""kinds whose locks hold on all machines, unless a mount's option or the next line says otherwise"""
LOCKS_STAY_HERE = re.compile(r"9p|afs|virtiofs|vboxsf|vmhgfs|prl_fs|fuse\.(sshfs|s3fs|rclone|gcsfuse|mount-s3|goofys|vmhgfs-fuse|osxfs|grpcfuse)")
"""kinds that know no locks, or only those of each machine"""
WITHOUT_LOCKS = ("nolock", "noflock", "localflock", "nobrl", "local_lock=flock", "local_lock=posix", "local_lock=all")
"""options that keep a mount's locks on the machine that takes them"""


class Mount(NamedTuple):
    point: Path
    kind: str
    options: tuple[str, ...]


def is_shared(folder: Path) -> bool:
    """Whether other machines may write to a folder, which need not be there yet."""
    kind = _mount(folder.resolve()).kind
    return bool(SHARED.fullmatch(kind) or LOCKS_STAY_HERE.fullmatch(kind))


def check_locks(folder: Path) -> None:
    """Raises UserError where locks on a shared folder do not hold from one machine to the next: two of them could spend the same dollar, and
    do the same job at once."""
    mount = _mount(folder.resolve())
    why = [option for option in mount.options if option in WITHOUT_LOCKS] if SHARED.fullmatch(mount.kind) else []
    if LOCKS_STAY_HERE.fullmatch(mount.kind):
        why = [f"{mount.kind} has none"]
    if why:
        raise UserError(f"{folder.resolve()} lies on {mount.point} ({mount.kind}), where no lock holds from one machine to the next ({why[0]}), so "
                        "that two could spend the same dollar: mount it with locks (NFS: without nolock and local_lock; Lustre: with flock), or "
                        "move the project to a file system that has them (docs/cluster.md)")  # fmt: skip


@cache
def _mount(folder: Path) -> Mount:
    """The one on which a folder lies: the longest path; of the same path, what was mounted last."""
    found = Mount(Path("/"), "", ())
    for mount in map(_parsed, MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines() if MOUNTS.exists() else []):
        if folder.is_relative_to(mount.point) and len(mount.point.parts) >= len(found.point.parts):
            found = mount
    return found


def _parsed(line: str) -> Mount:
    fields, _, rest = line.partition(" - ")
    point, options = fields.split(" ")[4:6]
    kind, _, of_the_system = rest.split(" ", 2)
    plain = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)
    return Mount(Path(plain), kind, (*options.split(","), *of_the_system.split(",")))
