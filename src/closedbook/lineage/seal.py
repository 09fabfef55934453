"""A seal: a git tag that holds a digest of everything, so that whoever changes anything later has to change the tag as well."""

import argparse
import subprocess

from closedbook.lineage import audit, sealed
from closedbook.lineage.checks.state import State
from closedbook.util.errors import UserError
from closedbook.util.git import git


def answer(options: argparse.Namespace) -> dict:
    """Make the tag. Raises UserError without git, on a dirty tree, for a name that is taken or can't be, and after an audit with breaks."""
    tag = sealed.PREFIX + options.name
    _check(options.name, tag)
    asked = audit.planned(state := State.here())
    audited = audit.of(state, asked)
    if audited["broken"]:
        files = ", ".join(one["file"] for one in audited["broken"][:3])
        raise UserError(f"nothing is sealed, for {len(audited['broken'])} things are broken ({files}): closedbook audit says how")
    content = sealed.manifest(asked[0])
    signs = git("config", "--type=bool", "tag.gpgSign").strip() == "true" or bool(git("config", "user.signingKey").strip())
    done = subprocess.run(["git", "tag", "-s" if signs else "-a", "--cleanup=verbatim", "--file=-", tag], capture_output=True, text=True,
                          input=sealed.message(options.name, content))
    if done.returncode:
        raise UserError(f"{tag}: git made no tag: {' '.join(done.stderr.split())}")
    return {"tag": tag, "signed": signs, "digest": sealed.digest(content), "commit": content["commit"], "stale": audited["stale"],
            "receipts": len(content["receipts"]), "segments": len(content["ledger"]), "unproved": audited["unproved"]}


def lines(answer: dict) -> list[str]:
    signed = "signed" if answer["signed"] else "not signed: git config user.signingKey has seals signed"
    return [f"{answer['tag']} seals commit {answer['commit']} ({signed})",
            f"{answer['receipts']:,} receipts, {answer['segments']:,} segments of the ledger",
            f"digest {answer['digest']}",
            f"git push origin {answer['tag']} puts it where others can hold you to it",
            *(f"stale when it was sealed: {job}: {why}" for job, why in answer["stale"].items()),
            *(f"not proved: {line}" for line in answer["unproved"])]


def _check(name: str, tag: str) -> None:
    if not git("rev-parse", "--verify", "--quiet", "HEAD"):
        raise UserError("no commit here to put a seal on: git init, git add and git commit first")
    if subprocess.run(["git", "check-ref-format", f"refs/tags/{tag}"]).returncode:
        raise UserError(f"{name}: git takes no tag of this name: letters, digits and hyphens will do")
    if git("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}"):
        raise UserError(f"{tag}: exists already, and a seal is never moved: take another name")
    if dirty := git("status", "--porcelain").splitlines():
        raise UserError(f"{len(dirty)} files are not as the last commit has them, {dirty[0][3:]} among them, and a seal is put on a "
                        "commit: git add and git commit first")
