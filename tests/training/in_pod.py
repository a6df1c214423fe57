"""The launcher in a process of its own, as in a pod: `python -m tests.training.in_pod ACCOUNT JOB STATE`.

ACCOUNT is the folder of a service account's token, which has a fixed place in a pod.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kubernetes.config import incluster_config

from components.store.errors import TouchstoneError
from components.training.job import Job
from components.training.nodes import train

if __name__ == "__main__":
    account, job, state = sys.argv[1:]
    incluster_config.SERVICE_TOKEN_FILENAME = f"{account}/token"
    incluster_config.SERVICE_CERT_FILENAME = f"{account}/ca.crt"
    try:
        train(Job.read(Path(job)), state)
    except TouchstoneError as error:
        sys.exit(error.code)
