"""An indexed Kubernetes Job as a manifest for `kubectl apply`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from internvid.core.errors import ConfigInvalidError
from internvid.run.schedulers.share_jobs import NOT_DONE_EXIT, JobNeeds, ShareJobs

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_RETRIES = 6


@dataclass(frozen=True)
class PodPlace:
    """Where pods find the program and the data.

    Attributes:
        image: with internvid in it.
        claims: name of a volume claim -> the folder where it is mounted.
        secrets: names of secrets whose keys become variables of the environment.
    """

    image: str
    claims: Mapping[str, str]
    secrets: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.image.strip():
            raise ConfigInvalidError(
                "no image is named", hint="--image REGISTRY/NAME:TAG, with internvid in it"
            )
        for claim, folder in self.claims.items():
            if not _NAME.fullmatch(claim) or not folder.startswith("/"):
                raise ConfigInvalidError(
                    f"{claim}={folder} mounts nothing", hint="for example --mount videos=/data"
                )


def kubernetes_manifest(jobs: ShareJobs, place: PodPlace, count_variable: str) -> str:
    """The manifest of a Job with an index for each share.

    A pod that ends with code 3 did its share and waits for others': it is started again and does
    not count as failed. Indexes fail by themselves, after some retries each.

    Args:
        jobs: what is started; `passes` does not matter here.
        place: of the pods.
        count_variable: of the environment, which says how many shares there are.

    Raises:
        ConfigInvalidError: a name that none can be there.
    """
    if not _NAME.fullmatch(jobs.name):
        raise ConfigInvalidError(
            f"{jobs.name!r} cannot name a Job: lower-case letters, digits and dashes can"
        )
    text = _quoted
    lines = [
        "apiVersion: batch/v1",
        "kind: Job",
        "metadata:",
        f"  name: {jobs.name}",
        "spec:",
        "  completionMode: Indexed",
        f"  completions: {jobs.shares}",
        f"  parallelism: {min(jobs.shares, jobs.at_once or jobs.shares)}",
        f"  backoffLimitPerIndex: {_RETRIES}",
        "  podFailurePolicy:",
        "    rules:",
        "      - action: Ignore  # this share is done, others are not",
        "        onExitCodes:",
        "          containerName: internvid",
        "          operator: In",
        f"          values: [{NOT_DONE_EXIT}]",
        "      - action: Ignore  # a node that is taken away",
        "        onPodConditions:",
        "          - type: DisruptionTarget",
        "  template:",
        "    spec:",
        "      restartPolicy: Never",
        f"      activeDeadlineSeconds: {60 * jobs.needs.minutes}",
        "      containers:",
        "        - name: internvid",
        f"          image: {text(place.image)}",
        f"          command: [{', '.join(map(text, jobs.command(['internvid'])))}]",
        "          env:",
        f"            - name: {count_variable}",
        f"              value: {text(str(jobs.shares))}",
    ]
    if place.secrets:
        lines.append("          envFrom:")
        for secret in place.secrets:
            lines += ["            - secretRef:", f"                name: {text(secret)}"]
    lines += [*_limits(jobs.needs), *_volumes(place.claims)]
    return "\n".join(lines) + "\n"


def _limits(needs: JobNeeds) -> list[str]:
    amounts = {"cpu": str(needs.cpus)}
    if needs.memory_gb:
        amounts["memory"] = f"{needs.memory_gb}Gi"
    if needs.gpus:
        amounts["nvidia.com/gpu"] = str(needs.gpus)
    return [
        "          resources:",
        "            limits:",
        *(f"              {_quoted(name)}: {_quoted(amount)}" for name, amount in amounts.items()),
    ]


def _volumes(claims: Mapping[str, str]) -> list[str]:
    if not claims:
        return []
    lines = ["          volumeMounts:"]
    for claim, folder in claims.items():
        lines += [f"            - name: {claim}", f"              mountPath: {_quoted(folder)}"]
    lines.append("      volumes:")
    for claim in claims:
        lines += [
            f"        - name: {claim}",
            "          persistentVolumeClaim:",
            f"            claimName: {claim}",
        ]
    return lines


def _quoted(value: str) -> str:
    # A JSON string is one of YAML too.
    return json.dumps(value)
