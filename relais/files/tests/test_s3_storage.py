"""S3-compatible storage, against a small server that speaks the part of the protocol that is used."""

import os
import re
from datetime import timedelta
from io import BytesIO

import pytest
from django.utils import timezone
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from relais.emulator.testing import ServerThread
from relais.files.models import StoredFile, delete_unreferenced, store_file
from relais.files.storage import storage


class Bucket:
    """Objects by path; every request must be signed with the access key."""

    def __init__(self):
        self.objects, self.parts = {}, {}

    async def handle(self, request):
        if "Credential=key+1/" not in request.headers.get("authorization", ""):
            return Response(status_code=403)
        return await getattr(self, request.method.lower())(request, request.url.path)

    async def put(self, request, path):
        content = await request.body()
        if "partNumber" in request.query_params:
            self.parts[int(request.query_params["partNumber"])] = content
        else:
            self.objects[path] = content
        return Response(headers={"ETag": '"e"'})

    async def post(self, request, path):
        if "uploads" in request.query_params:
            upload = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
            return Response(upload, media_type="application/xml")
        if "delete" in request.query_params:
            keys = re.findall(r"<Key>(.+?)</Key>", (await request.body()).decode())
            for key in keys:
                self.objects.pop(f"{path}/{key}", None)
            deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
            return Response(f"<DeleteResult>{deleted}</DeleteResult>", media_type="application/xml")
        self.objects[path] = b"".join(self.parts[n] for n in sorted(self.parts))
        done = '<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>'
        return Response(done, media_type="application/xml")

    async def get(self, request, path):
        content = self.objects.get(path)
        if content is None:
            return Response(status_code=404)
        headers = {"ETag": '"e"', "Last-Modified": "Mon, 30 Nov 2026 10:00:00 GMT"}
        if given := re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", "")):
            start, end = int(given[1]), min(int(given[2]) + 1, len(content))
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
            return Response(content[start:end], 206, headers)
        return Response(content, headers=headers)

    head = get


@pytest.fixture
def bucket(settings):
    bucket = Bucket()
    methods = ["GET", "HEAD", "PUT", "POST"]
    server = ServerThread(Starlette(routes=[Route("/{path:path}", bucket.handle, methods=methods)]))
    settings.MEDIA_STORAGE_URL = f"s3+http://key%2B1:secret%2F2@127.0.0.1:{server.port}/media/desk"
    yield bucket
    server.stop()


@pytest.mark.parametrize("content", [b"%PDF-1.7", os.urandom(6_000_000)], ids=["small", "in parts"])
def test_files_are_stored_read_and_deleted(db, bucket, content):
    stored = store_file(BytesIO(content), content_type="application/pdf", at=timezone.now())
    assert bucket.objects == {f"/media/desk/{stored.key}": content}
    assert b"".join(stored.read()) == content
    assert b"".join(stored.read(start=2, length=3)) == content[2:5]
    store_file(BytesIO(content), content_type="application/pdf", at=timezone.now())
    assert delete_unreferenced(at=timezone.now() + timedelta(days=2)) == 1
    assert (bucket.objects, StoredFile.objects.count()) == ({}, 0)


def test_a_missing_file_is_said_before_the_first_chunk(bucket):
    with pytest.raises(FileNotFoundError):
        storage().read("sha256/00/00", length=5)
    assert not storage().exists("sha256/00/00")
    storage().delete("sha256/00/00")
