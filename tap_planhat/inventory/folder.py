"""Where the files of inventories lie: a local folder, or a store that fsspec opens.

A file appears under its name whole or not at all, and never changes.
"""

from __future__ import annotations

import abc
import os
import re
import shutil
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from typing_extensions import override

from planhat_api.errors import ConnectorError
from planhat_api.redact import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator


class InventoryError(ConnectorError):
    """The inventory cannot be kept; its text says why, and what to do."""


class Folder(abc.ABC):
    """Holds files that are written once."""

    path: str
    """As in the settings."""

    @abc.abstractmethod
    def names(self, beginning: str) -> list[str]:
        """Return the names that begin like this, in their order.

        Raises:
            InventoryError: The folder cannot be read.
        """

    @abc.abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """Open a file at its beginning; it can be read at any place.

        Raises:
            FileNotFoundError: There is no such file.
            InventoryError: It cannot be read.
        """

    @abc.abstractmethod
    def create(self, name: str) -> Any:
        """Return a context in which a file is written; at its end the file is there.

        Raises:
            InventoryError: It cannot be written.
        """

    @abc.abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, or a part of one that a killed run left, if it is there."""


def open_folder(path: str) -> Folder:
    """Return the folder of a path or URL.

    Raises:
        InventoryError: The URL's scheme is unknown, or the package for it is not installed.
    """
    return Store(path) if "://" in path else LocalFolder(path)


class LocalFolder(Folder):
    """A folder of this machine; it is made when the first file comes."""

    def __init__(self, path: str) -> None:
        """Touch nothing yet."""
        self.path = path
        self._folder = Path(path).expanduser()

    @override
    def names(self, beginning: str) -> list[str]:
        with self._explained("read"):
            if not self._folder.is_dir():
                # If it is not a folder, the first write says so.
                return []
            return sorted(
                name
                for name in os.listdir(self._folder)  # noqa: PTH208 - names are wanted
                if name.lstrip(".").startswith(beginning)
            )

    @override
    def open(self, name: str) -> IO[bytes]:
        with self._explained("read"):
            return (self._folder / name).open("rb")

    @override
    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        temporary = self._folder / f".{name}"
        with self._explained("written"):
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                with temporary.open("w+b") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self._folder / name)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise
            self._sync()

    def _sync(self) -> None:
        """Have the new name on the disk too, where folders can be opened."""
        with suppress(PermissionError):
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @override
    def remove(self, name: str) -> None:
        with suppress(OSError):
            (self._folder / name).unlink()

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            raise _error(self.path, what, "it is not a folder") from error
        except OSError as error:
            if what == "read" and isinstance(error, FileNotFoundError):
                raise
            raise _error(self.path, what, error.strerror or error) from error


class Store(Folder):
    """A folder of an object store, or of whatever else fsspec can open."""

    def __init__(self, path: str) -> None:
        """Connect.

        Raises:
            InventoryError: The URL's scheme is unknown, or the package for it is not installed.
        """
        import fsspec  # noqa: PLC0415 - its import costs each start time, and few need it

        self.path = path
        try:
            self._store, self._root = fsspec.core.url_to_fs(path)
        except ImportError as error:
            raise InventoryError(
                f"inventory_path: a package for {path.partition('://')[0]}:// is not installed "
                f"({error}); install singer-planhat[cloud]"
            ) from error
        except Exception as error:
            raise _error(path, "opened", error) from error

    @override
    def names(self, beginning: str) -> list[str]:
        try:
            with self._explained("read"):
                # Another run may have written since the last look.
                self._store.invalidate_cache(self._root)
                paths = self._store.ls(self._root, detail=False)
        except FileNotFoundError:
            return []
        names = [str(each).rstrip("/").rsplit("/", 1)[-1] for each in paths]
        return sorted(name for name in names if name.startswith(beginning))

    @override
    def open(self, name: str) -> IO[bytes]:
        with ExitStack() as failed, self._explained("read"):
            copy = failed.enter_context(tempfile.TemporaryFile())
            with self._store.open(f"{self._root}/{name}", "rb") as file:
                shutil.copyfileobj(file, copy, 1 << 20)
            copy.seek(0)
            failed.pop_all()
        return copy

    @override
    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        with self._explained("written"), tempfile.NamedTemporaryFile() as file:
            yield file
            file.flush()
            self._store.put_file(file.name, f"{self._root}/{name}")

    @override
    def remove(self, name: str) -> None:
        with suppress(Exception):
            self._store.rm_file(f"{self._root}/{name}")

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            if what == "read":
                raise
            raise _error(self.path, what, "there is no such bucket or folder") from None
        except Exception as error:
            # Each store has errors of its own.
            raise _error(self.path, what, error) from error


def _error(path: str, what: str, cause: object) -> InventoryError:
    shown = re.sub(r"//[^/@]*@", "//***@", path)
    return InventoryError(
        f"inventory_path {shown} cannot be {what}: {shorten(str(cause) or type(cause).__name__)}; "
        "nothing is passed over, the next run goes on from the last STATE"
    )
