"""Snakemake on Kubernetes: `python -m closedbook.workflow.kubernetes SNAKEMAKE'S-ARGUMENTS`. Read docs/cluster.md first.

Snakemake's plugin takes it for granted that nothing is shared, and moves what rules name through a store. Jobs of closedbook read and write
beside that, so each has the project's folder mounted at its path of here, and this says so to the plugin, which has no option for it. A
container's /dev/shm has 64 MB, and the plugin can't give it more: NCCL has to do without.
"""

import dataclasses
import os
import shlex
import sys


def main() -> None:
    import snakemake_executor_plugin_kubernetes as plugin

    shared = {"implies_no_shared_fs": False, "job_deploy_sources": False, "auto_deploy_default_storage_provider": False}
    plugin.common_settings = dataclasses.replace(plugin.common_settings, **shared)
    sys.argv = ["snakemake", "--precommand", f"cd {shlex.quote(os.getcwd())} && export NCCL_SHM_DISABLE=1", *sys.argv[1:]]
    from snakemake.cli import main  # it looks at the plugins when it is imported

    main()


if __name__ == "__main__":
    main()
