"""What kept a table from being read or written, told by the classes of Java's exceptions."""

from collections.abc import Callable, Sequence

from recaug.causes import Causes, causes
from recaug.errors import RecaugError, StorageError

# Java's exceptions by what they mean; plain IOExceptions have only their words.
DENIED = ("java.nio.file.AccessDeniedException", "org.apache.hadoop.security.AccessControlException")
IN_THE_WAY = (
    "java.nio.file.FileAlreadyExistsException",
    "org.apache.hadoop.fs.FileAlreadyExistsException",
    "org.apache.hadoop.fs.ParentNotDirectoryException",
)
UNREACHABLE = ("java.net.ConnectException", "java.net.UnknownHostException", "java.net.NoRouteToHostException")
OF_AWS = ("com.amazonaws.AmazonClientException", "software.amazon.awssdk.core.exception.SdkException")
NO_SCHEME = "org.apache.hadoop.fs.UnsupportedFileSystemException"
NO_BUCKET = "org.apache.hadoop.fs.s3a.UnknownStoreException"
CHECK_ENDPOINT = "check the address and the endpoint (spark.hadoop.fs.*)"
LOST_RACES = ("io.delta.exceptions.", "delta.exceptions.")  # Java's packages of them, and Python's
MISSING = ("java.io.FileNotFoundException", "java.nio.file.NoSuchFileException")


# In their order: whether it is this, and what is said of it.
REASONS: Sequence[tuple[Callable[[Causes], bool], str]] = (
    (
        lambda why: why.says("No space left on device", "Disk quota exceeded"),
        "no space left on device; free some or set lake.path elsewhere",
    ),
    (
        lambda why: any(name.startswith(LOST_RACES) for name in why.classes),
        "another writer was first; run the night again with --resume",
    ),
    (
        lambda why: why.has(NO_SCHEME) or why.says("FileSystem not found"),
        "Spark lacks the jar of its file system; for s3a add org.apache.hadoop:hadoop-aws of Spark's Hadoop",
    ),
    (lambda why: why.has(NO_BUCKET), f"there is no such bucket; {CHECK_ENDPOINT}"),
    (lambda why: why.has(*UNREACHABLE), f"it cannot be reached; {CHECK_ENDPOINT}"),
    (
        lambda why: why.has(*DENIED) and why.has(*OF_AWS),
        "no access; check the credentials (spark.hadoop.fs.s3a.*, the environment or the role)",
    ),
    (
        lambda why: why.has(*DENIED) or why.says("Permission denied", "Read-only file system", "Mkdirs failed"),
        "not writable; check the permissions or set lake.path elsewhere",
    ),
    (
        lambda why: (
            why.has(*IN_THE_WAY) or "DELTA_CANNOT_CREATE_LOG_PATH" in why.conditions or why.says("Not a directory")
        ),
        "cannot be made there; set lake.path to a folder that can be written",
    ),
    (
        lambda why: why.has(*MISSING),
        "a file that a table names is gone; restore it, or run the stage that wrote it",
    ),
)


def storage_error(error: Exception, place: str) -> RecaugError | Exception:
    """Say in one line what kept a table from being read or written; an error of another kind comes back as it is."""
    why = causes(error)
    said = next((said for applies, said in REASONS if applies(why)), None)
    return error if said is None else StorageError(f"{place}: {said}")
