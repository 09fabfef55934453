"""What a seal holds, in the message of an annotated git tag, and what of it is no longer so."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from closedbook.lineage.checks.state import Break
from closedbook.llm import ledger
from closedbook.util import files
from closedbook.util.errors import UserError, did_you_mean
from closedbook.util.git import git
from closedbook.workflow import receipts, versioned
from closedbook.workflow.plan import Plan

PREFIX = "closedbook/"
"""of the tags' names"""
FILES = ("params.yaml", versioned.LOCK, "requirements.lock")
SIGNATURE = "\n-----BEGIN "


def manifest(plan: Plan | None = None) -> dict:
    """Everything, by hashes: a receipt's covers all hashes in it, a segment's last chain all its lines; with a plan, its receipts only."""
    planned = None if plan is None else plan.receipts()
    kept = [path for path in sorted(receipts.FOLDER.rglob("*.json")) if planned is None or path in planned]
    return {
        "project": versioned.first_commits(),
        "commit": git("rev-parse", "HEAD").strip(),
        "files": {name: files.sha256_file(Path(name)) for name in FILES if Path(name).exists()},
        "receipts": {str(path): files.sha256_file(path) for path in kept},
        "ledger": {str(path.relative_to(ledger.root())): _head(path, None) for path in sorted(ledger.root().glob("*/*.jsonl"))},
    }


def _head(segment: Path, num_lines: int | None) -> dict:
    """How many lines a segment has, of which at most `num_lines` count, and the chain of the last one."""
    lines = segment.read_bytes().splitlines()[:num_lines]
    return {"lines": len(lines), "chain": ledger.chain(lines[-1]) if lines else ledger.START}


def digest(content: dict) -> str:
    return files.sha256_text(files.canonical(content))


def message(name: str, content: dict) -> str:
    return f"closedbook seal {name}\n\ndigest {digest(content)}\n{json.dumps(content, indent=1)}\n"


def exists(name: str) -> bool:
    """Whether a seal has this name, or a commit. Raises UserError where neither has."""
    if git("rev-parse", "--verify", "--quiet", f"refs/tags/{PREFIX}{name}"):
        return True
    if not git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"):
        seals = [tag.removeprefix(PREFIX) for tag in git("tag", "--list", f"{PREFIX}*").split()]
        there = f"seals here: {', '.join(seals)}" if seals else "there are no seals: closedbook seal NAME makes one"
        known = [*seals, *git("for-each-ref", "--format=%(refname:short)").split()]
        raise UserError(f"{name}: neither a seal nor a commit here; {did_you_mean(name, known, otherwise=there)}")
    return False


def compared(name: str, plan: Plan | None = None) -> Iterator[Break | str]:
    """What differs from a seal, and in words what stands beside it; of what is new, with a plan, what is planned.

    Raises UserError for a tag that is no seal, and for the seal of another project.
    """
    tag = PREFIX + name
    told, then, is_signed = _read(tag)
    if digest(then) != told:
        yield _differs(tag, f"digest {told}, as it says", f"digest {digest(then)} of what it lists: the tag was edited")
        return
    now = manifest()
    if not set(then["project"]) & set(now["project"]):
        raise UserError(f"{tag}: the seal of another project, or of a history that was rewritten from its first commit on: that was "
                        f"{then['project'][0]}, here it is {now['project'][0]}")
    yield f"seal {tag}: digest {told}, commit {then['commit']}"
    yield from _commit(tag, then["commit"])
    yield from _signature(tag, is_signed)
    for path, sha256 in {**then["files"], **then["receipts"]}.items():
        found = now["files"].get(path) or now["receipts"].get(path)
        if found != sha256:
            yield _differs(path, f"SHA-256 {sha256}, by {tag}", f"SHA-256 {found}" if found else "no file")
    planned = None if plan is None else set(map(str, plan.receipts()))
    new = now["receipts"].keys() - then["receipts"].keys()
    yield from (f"new since {tag}: {path}" for path in sorted(new if planned is None else new & planned))
    yield from _segments(tag, then["ledger"])


def _read(tag: str) -> tuple[str, dict, bool]:
    """(digest as it says, manifest, whether it is signed)"""
    text, signature, _ = git("cat-file", "tag", tag).partition(SIGNATURE)
    told, _, content = text.partition("\n\n")[2].partition("\ndigest ")[2].partition("\n")
    try:
        return told, json.loads(content), bool(signature)
    except ValueError as error:
        raise UserError(f"{tag}: a tag, but no seal ({error}): closedbook seal makes them") from None


def _commit(tag: str, commit: str) -> Iterator[Break]:
    target = git("rev-parse", "--verify", "--quiet", f"{tag}^{{commit}}").strip()
    if target != commit:
        yield _differs(tag, f"commit {commit}, as it says", f"a tag of commit {target}")
    if subprocess.run(["git", "merge-base", "--is-ancestor", commit, "HEAD"], capture_output=True).returncode:
        yield _differs("git history", f"commit {commit}, by {tag}",
                       "a history without it: it was rewritten, or an older or another commit is checked out")


def _signature(tag: str, is_signed: bool) -> Iterator[Break | str]:
    if not is_signed:
        yield f"{tag} is not signed: whoever may write tags could have made it"
        return
    done = subprocess.run(["git", "tag", "-v", tag], capture_output=True, text=True)
    said = " ".join(done.stderr.split())
    yield _differs(tag, "a signature that git verifies", said) if done.returncode else f"{tag} is signed: {said}"


def _segments(tag: str, segments: dict[str, dict]) -> Iterator[Break | str]:
    """What was sealed of the ledger must still begin it; more may have been added."""
    if segments and not ledger.root().is_dir():
        yield f"no ledger here: {len(segments)} sealed segments of it were not asked"
        return
    for name, then in segments.items():
        path = ledger.root() / name
        found = _head(path, then["lines"]) if path.exists() else {"lines": 0, "chain": ledger.START}
        if found != then:
            yield _differs(str(path), f"{then['lines']} lines that end with chain {then['chain']}, by {tag}",
                           f"{found['lines']} lines that end with chain {found['chain']}")


def _differs(file: str, expected: str, found: str) -> Break:
    return Break(file=file, expected=expected, found=found, untrusted=[])
