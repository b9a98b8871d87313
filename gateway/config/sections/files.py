"""Sections of uploads: files, audio, batches. Data only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.config.fields import Count, Megabytes, Section, Wait


class LocalFiles(Section):
    directory: str = Field("", description="Empty: `files` under `data_dir`.")


class S3(Section):
    bucket: str = Field("", description="Name of the bucket.")
    prefix: str = Field("", description="Put before each object's name.")
    region: str = Field("", description="Region of the bucket.")
    endpoint: str = Field("", description="For other stores that speak S3.")
    use_path_style: bool = Field(default=False, description="Bucket in the path instead of the host name.")


class Files(Section):
    storage: Literal["local", "s3"] = Field("local", description="Where uploaded files are kept.")
    max_size_mb: Megabytes = Field(200, description="Largest file.")
    default_ttl: Wait = Field(
        604800.0, description="How long a file is kept when its owner states nothing else."
    )
    max_ttl: Wait = Field(2592000.0, description="Longest life an owner may ask for.")
    sweep_interval: Wait = Field(900.0, description="Time between two sweeps of expired files.")
    sweep_batch_size: Count = Field(200, description="Files removed in one sweep.")
    encryption_key: str = Field(
        "", repr=False, description="Encrypts files at rest; empty stores them as they are."
    )
    local: LocalFiles = LocalFiles()
    s3: S3 = S3()


class Audio(Section):
    max_upload_mb: Megabytes = Field(50, description="Largest audio upload.")


class Batches(Section):
    max_requests: Count = Field(5000, description="Most requests in one batch.")
    max_concurrency: Count = Field(50, description="Most requests of one batch at a time.")
    default_ttl: Wait = Field(
        604800.0, description="How long results are kept when the owner states nothing else."
    )
    max_ttl: Wait = Field(2592000.0, description="Longest life an owner may ask for.")
