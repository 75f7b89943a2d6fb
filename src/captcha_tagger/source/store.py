"""What lies in an object store under an address, `s3://bucket/folder`: its names, then its bytes.

DVC hashes it there through the same file system of fsspec, which finds credentials as the store's
own tools do. What goes wrong is one line. To ingest, a file that could not be fetched is no reject,
since it may be there the next time.
"""

import hashlib
import posixpath
import re
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from captcha_tagger.base.errors import FULL_DISK, InputError, hide_password
from captcha_tagger.base.work.processes import in_batches
from captcha_tagger.source.limits import MORE, Found, Limits, Listed, Read, check_count, refuse
from captcha_tagger.source.reading import TooManyBytesError

PACKAGES = {"s3": "dvc-s3", "gs": "dvc-gs"}  # DVC's file systems, which bring fsspec's along
ADDRESS = re.compile(r"(s3|gs)://([\w.-]+(?:/[^/?#]+)*)/?")
# What DVC passes over, so that it sees no change of it, or s3fs takes for a version of another.
MISREAD = re.compile(r"^/|//|\?versionId=")
# Files that are on their way, so that none waits for the one before; their bytes, in memory.
AT_ONCE, AT_ONCE_BYTES = 64, 64_000_000


OF_ONE_OBJECT = (FileNotFoundError, PermissionError)  # errors that say nothing of the others

Unread = InputError | OSError  # why an object is refused, or could not be fetched


class Objects(NamedTuple):
    """The files below an address, sorted by name, and a digest of them and their contents."""

    names: list[str]
    sizes: "array[int]"
    digest: bytes


class Store(NamedTuple):
    """A file system of fsspec, and the path in it that an address names."""

    address: str
    files: Any
    root: str

    def is_file(self) -> bool:
        """Whether it is one object, such as a zip; InputError where there is nothing."""
        return self._look()["type"] == "file"

    def measure(self) -> int:
        """The number of bytes of the one object."""
        return int(self._look()["size"])

    def identify(self) -> str:
        """A word that changes with the content of the one object."""
        return _identify(self._look())

    def fetch(self, folder: Path, limits: Limits) -> Path:
        """Put the one object into the folder."""
        num_bytes = self.measure()
        if num_bytes > limits.max_total_bytes:
            raise InputError(
                f"{self.address}: {num_bytes} bytes are more than ingest.max_total_bytes"
            )
        path = folder / "fetched.zip"
        with _answering(self.address):
            self.files.get_file(self.root, str(path))
        return path

    def list_objects(self, max_files: int) -> Objects:
        """What lies below, but for the empty objects that stand for folders."""
        with _answering(self.address):
            found: dict[str, dict[str, Any]] = self.files.find(self.root, detail=True)
        paths = sorted(path for path in found if not path.endswith("/") or found[path]["size"])
        check_count(len(paths), self.address, max_files)
        digest = hashlib.blake2b()
        for path in paths:
            digest.update(f"{path}\0{_identify(found[path])}\0".encode("utf-8", "surrogateescape"))
        names = [path[len(self.root) + 1 :] or "/" for path in paths]
        return Objects(names, array("Q", (found[path]["size"] for path in paths)), digest.digest())

    def read(self, files: Iterable[Listed], limits: Limits) -> Iterator[Found]:
        """The files, or why they are refused."""
        for batch in in_batches(files, AT_ONCE):
            refusals = [refuse(listed) for listed in batch]
            wanted = [one for one, refusal in zip(batch, refusals, strict=True) if not refusal]
            contents = self.fetch_all(wanted, limits.max_file_bytes)
            for listed, refusal in zip(batch, refusals, strict=True):
                yield refusal or self._as_found(listed.name, next(contents))

    def fetch_all(self, files: Iterable[Listed], max_bytes: int) -> Iterator[bytes | Unread]:
        """The contents in the order of the objects below the address, or why there is none.

        InputError when the store itself does not answer.
        """
        for batch in _share_out(files):
            refusals = [_refuse_object(listed, max_bytes) for listed in batch]
            wanted = [
                listed
                for listed, refusal in zip(batch, refusals, strict=True)
                if not refusal and listed.num_bytes
            ]
            data = dict(zip(wanted, self._fetch(wanted), strict=True))
            for listed, refusal in zip(batch, refusals, strict=True):
                yield refusal or data.get(listed, b"")

    def _fetch(self, files: list[Listed]) -> list[bytes | OSError]:
        if not files:
            return []
        paths = [f"{self.root}/{listed.name}" for listed in files]
        sizes = [listed.num_bytes for listed in files]  # no more, should one grow meanwhile
        with _answering(self.address):
            found: list[Any] = self.files.cat_ranges(paths, 0, sizes, on_error="return")
            for one in found:
                if isinstance(one, Exception) and not isinstance(one, OF_ONE_OBJECT):
                    raise one
        return found

    def _as_found(self, name: str, content: bytes | Unread) -> Found:
        if isinstance(content, bytes):
            return Found(name, data=content)
        if isinstance(content, FileNotFoundError):
            raise InputError(f"{self.address}: changed while it was read; run again")
        with _answering(f"{self.address}/{name}"):
            if isinstance(content, OSError):
                raise content
        more = isinstance(content, TooManyBytesError)
        return Found(name, refusal=f"{content}{MORE if more else ''}")

    def _look(self) -> dict[str, Any]:
        with _answering(self.address):
            found: dict[str, Any] = self.files.info(self.root)
        return found


def is_address(source: Path | str) -> bool:
    """Whether it is one of a store, rather than a path."""
    return "://" in str(source)  # of which a Path would make one slash


def is_store(path: str) -> bool:
    """Whether it is an address that `open_store` takes; DVC takes others, too."""
    return ADDRESS.fullmatch(path) is not None


def open_store(address: str) -> Store:
    """The store of an address; InputError when it is none, or a package is missing."""
    match = ADDRESS.fullmatch(address)
    if not match or posixpath.normpath(match[2]) != match[2]:
        raise InputError(
            hide_password(f"{address}: no s3://bucket/... or gs://bucket/...; download the images")
        )
    scheme, root = match.groups()
    package = PACKAGES[scheme]
    if find_spec(package.replace("-", "_")) is None:
        raise InputError(f"{address}: needs a package; pip install {package}")
    import fsspec  # and with it asyncio, which no other source needs

    with _answering(address):
        return Store(address, fsspec.filesystem(scheme, use_listings_cache=False), root)


@contextmanager
def open_objects(address: str, limits: Limits) -> Iterator[Read]:
    """What reads the files of a folder in a store, in any process."""
    yield partial(open_store(address).read, limits=limits)


@contextmanager
def _answering(address: str) -> Iterator[None]:
    try:
        yield
    except (InputError, MemoryError):
        raise
    except FileNotFoundError:
        raise InputError(
            f"{address}: no such bucket, folder or file; look at the address"
        ) from None
    except Exception as error:  # each store has its own
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            raise  # the disk here, onto which a zip is fetched
        said = " ".join(str(error).split()) or type(error).__name__
        advice = "look at the address, the credentials and the network"
        raise InputError(hide_password(f"{address}: not readable: {said}; {advice}")) from None


def _identify(info: dict[str, Any]) -> str:
    return f"{info['size']} {info.get('ETag') or info.get('etag')}"


def _refuse_object(listed: Listed, max_bytes: int) -> InputError | None:
    if MISREAD.search(listed.name):
        return InputError("a key that is taken for another's; rename it")
    if listed.num_bytes > max_bytes:
        return TooManyBytesError(f"{listed.num_bytes} bytes are more than {max_bytes}")
    return None


def _share_out(files: Iterable[Listed]) -> Iterator[list[Listed]]:
    """Consecutive files that memory can hold together."""
    batch, num_bytes = list[Listed](), 0
    for listed in files:
        if batch and (len(batch) == AT_ONCE or num_bytes + listed.num_bytes > AT_ONCE_BYTES):
            yield batch
            batch, num_bytes = [], 0
        batch.append(listed)
        num_bytes += listed.num_bytes
    if batch:
        yield batch
