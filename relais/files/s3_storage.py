"""Files in S3-compatible storage: Amazon, MinIO, Ceph and others. Loaded only where `MEDIA_STORAGE_URL` is set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

import obstore
from obstore.store import S3Store

from relais.files.chunks import CHUNK_BYTES

TIMEOUT = timedelta(seconds=30)
CONNECT_TIMEOUT = timedelta(seconds=5)
MULTIPART_BYTES = 5 * 1024 * 1024
"""The smallest part that S3 takes: no more of a file is in memory at once."""


class S3Storage:
    def __init__(self, url: str) -> None:
        """`s3://KEY:SECRET@HOST/BUCKET/PREFIX?region=…`; `s3+http://` without TLS."""
        parts = urlsplit(url)
        bucket, _separator, prefix = parts.path.strip("/").partition("/")
        scheme = "http" if parts.scheme == "s3+http" else "https"
        self.store = S3Store(
            bucket,
            prefix=prefix or None,
            endpoint=f"{scheme}://{parts.netloc.rpartition('@')[2]}",
            access_key_id=unquote(parts.username or ""),
            secret_access_key=unquote(parts.password or ""),
            region=parse_qs(parts.query).get("region", ["us-east-1"])[0],
            # By path: other servers than Amazon's often have no host name for each bucket.
            virtual_hosted_style_request=False,
            client_options={
                "allow_http": scheme == "http",
                "timeout": TIMEOUT,
                "connect_timeout": CONNECT_TIMEOUT,
            },
        )

    def put(self, key: str, file: BinaryIO) -> None:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if size <= MULTIPART_BYTES:
            obstore.put(self.store, key, file.read(), use_multipart=False)
        else:
            obstore.put(self.store, key, _chunks(file), chunk_size=MULTIPART_BYTES, max_concurrency=1)

    def exists(self, key: str) -> bool:
        try:
            obstore.head(self.store, key)
        except FileNotFoundError:
            return False
        return True

    def read(
        self, key: str, *, start: int = 0, length: int, chunk_bytes: int = CHUNK_BYTES
    ) -> Iterator[bytes]:
        if length <= 0:
            return iter(())
        result = obstore.get(self.store, key, options={"range": (start, start + length)})
        return (bytes(chunk) for chunk in result.stream(min_chunk_size=chunk_bytes))

    def delete(self, key: str) -> None:
        try:
            obstore.delete(self.store, key)
        except FileNotFoundError:
            return

    def delete_leftovers(self, *, before: datetime) -> None:
        """Nothing is visible there before it is whole; unfinished parts are a matter of the bucket's life cycle."""


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
