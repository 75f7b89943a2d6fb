"""Buckets of an object store that speaks S3, and the variables by which its clients find it."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "not-to-be-shown",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Buckets:
    """A client of the store."""

    def __init__(self, endpoint: str) -> None:
        import boto3

        self._client: Any = boto3.client("s3", endpoint_url=endpoint)
        self._number = 0

    def make(self, files: dict[str, bytes] | Path) -> str:
        """A bucket of these objects, or of a folder's files; returns its address."""
        self._number += 1
        name = f"bucket-{self._number}"
        self._client.create_bucket(Bucket=name)
        if isinstance(files, Path):
            paths = [path for path in files.rglob("*") if path.is_file()]
            files = {path.relative_to(files).as_posix(): path.read_bytes() for path in paths}
        for key, content in files.items():
            self.put(f"s3://{name}/{key}", content)
        return f"s3://{name}"

    def put(self, address: str, content: bytes) -> None:
        bucket, _, key = address.removeprefix("s3://").partition("/")
        self._client.put_object(Bucket=bucket, Key=key, Body=content)

    def remove(self, address: str) -> None:
        parts = urlsplit(address)
        self._client.delete_object(Bucket=parts.netloc, Key=parts.path[1:])


def point_to(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process and those that it starts find the store."""
    for name, value in {**VARIABLES, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
