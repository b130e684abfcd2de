"""Shares of planned work as jobs: through submitit on this machine, and as texts for clusters."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

import internvid
from internvid.api.cluster.working import prepare
from internvid.cli.app import main
from internvid.core.errors import ConfigInvalidError, ServiceError
from internvid.pipeline.shares.share import share_of
from internvid.run.schedulers.kubernetes import PodPlace, kubernetes_manifest
from internvid.run.schedulers.share_jobs import JobNeeds, ShareJobs
from internvid.run.schedulers.slurm import slurm_script
from tests.cluster.test_work_killed import prepared
from tests.media import write_videos
from tests.trees import digest_tree


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_videos(folder, 5)
    return folder


@pytest.mark.cluster
def test_jobs_of_submitit_end_in_the_bytes_of_one_build(videos: Path, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    whole, data = prepared(tmp_path / "whole"), prepared(tmp_path / "data")
    internvid.build(videos, whole, workers=1)
    prepare(videos, data)
    submitted = internvid.submit(data, 2, "local", cpus=1)
    assert submitted.done
    assert submitted.failed == {}
    assert [len(ids) for ids in submitted.jobs] == [2] * len(submitted.jobs)
    assert len(submitted.jobs) <= 2
    assert digest_tree(data) == digest_tree(whole)


@pytest.mark.cluster
def test_a_job_that_fails_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    data = prepared(tmp_path / "data")
    command = ["submit", str(data), "--shares", "1", "--scheduler", "local", "--passes", "1"]
    assert main([*command, "--cpus", "1"]) == 1
    assert "no work is planned" in capsys.readouterr().out


def test_without_slurm_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceError, match="no Slurm on this machine") as refused:
        internvid.submit(tmp_path / "data", 2)
    assert "--dry-run" in str(refused.value.hint)


def test_a_script_for_sbatch_is_one_that_bash_reads(tmp_path: Path) -> None:
    needs = JobNeeds(cpus=4, memory_gb=16, gpus=1, hours=1.5)
    jobs = ShareJobs("/data/my set", 8, at_once=3, passes=3, needs=needs)
    # What the node runs: a program that ends as a share does that waits for others.
    program = tmp_path / "internvid"
    program.write_text('#!/bin/sh\necho "$@"\nexit ${CODE:-3}\n')
    program.chmod(0o755)
    text = slurm_script(jobs, [str(program)], {"partition": "cpu"})
    settings = [line for line in text.splitlines() if line.startswith("#SBATCH")]
    assert settings == [
        "#SBATCH --job-name=internvid",
        "#SBATCH --array=1-8%3",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --time=90",
        "#SBATCH --mem=16G",
        "#SBATCH --gpus-per-node=1",
        "#SBATCH --partition=cpu",
    ]
    assert text.count("afterany") == 2
    done = subprocess.run(["bash"], input=text, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, "work /data/my set --workers 4\n")
    failed = subprocess.run(
        ["bash"], input=text, text=True, capture_output=True, check=False, env={"CODE": "1"}
    )
    assert failed.returncode == 1


@pytest.mark.parametrize("option", ["array=1-2", "no dashes=x", "a=b\n#SBATCH --c=d", "x="])
def test_options_that_sbatch_cannot_have_are_refused(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["submit", str(tmp_path), "--shares", "2", "--dry-run", "--option", option]
    assert main(command) == 2
    assert "error" in capsys.readouterr().err


def test_a_manifest_is_an_indexed_job_whose_pods_know_their_share() -> None:
    needs = JobNeeds(cpus=2, memory_gb=8, gpus=1, hours=2)
    jobs = ShareJobs("s3://bucket/data", 16, at_once=4, needs=needs)
    place = PodPlace("registry/internvid:1", {"videos": "/videos"}, ("keys",))
    made = yaml.safe_load(kubernetes_manifest(jobs, place, "INTERNVID_SHARES"))
    spec = made["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 16, 4)
    assert spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [3]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["internvid", "work", "s3://bucket/data", "--workers", "2"]
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "8Gi", "nvidia.com/gpu": "1"}
    (mount,), (volume,) = container["volumeMounts"], pod["volumes"]
    assert (mount["name"], mount["mountPath"]) == (volume["name"], "/videos")
    environment = {each["name"]: each["value"] for each in container["env"]}
    # As Kubernetes sets it in the last pod.
    assert share_of(None, {**environment, "JOB_COMPLETION_INDEX": "15"}) == (15, 16)
    for wrong in ({"image": ""}, {"claims": {"Upper": "/x"}}, {"claims": {"x": "relative"}}):
        with pytest.raises(ConfigInvalidError):
            PodPlace(**{"image": "i", "claims": {}, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"shares": 0}, {"passes": 0}, {"at_once": 0}])
def test_numbers_that_start_nothing_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigInvalidError):
        ShareJobs("data", **{"shares": 1, **wrong})  # type: ignore[arg-type]
    with pytest.raises(ConfigInvalidError, match="hours"):
        JobNeeds(hours=0)
