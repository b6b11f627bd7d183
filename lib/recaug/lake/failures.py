"""What kept a table from being read or written, told by the classes of Java's exceptions."""

from recaug.causes import causes
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
NO_BUCKET = "org.apache.hadoop.fs.s3a.UnknownStoreException"
LOST_RACES = ("io.delta.exceptions.", "delta.exceptions.")  # Java's packages of them, and Python's
MISSING = ("java.io.FileNotFoundException", "java.nio.file.NoSuchFileException")


def storage_error(error: Exception, place: str) -> RecaugError | Exception:
    """Say in one line what kept a table from being read or written; an error of another kind comes back as it is."""
    why = causes(error)
    if why.says("No space left on device", "Disk quota exceeded"):
        return StorageError(f"{place}: no space left on device; free some or set lake.path elsewhere")
    if any(name.startswith(LOST_RACES) for name in why.classes):
        return StorageError(f"{place}: another writer was first; run the night again with --resume")
    if why.has("org.apache.hadoop.fs.UnsupportedFileSystemException") or why.says("FileSystem not found"):
        return StorageError(f"{place}: Spark has no jar for it; for s3a add org.apache.hadoop:hadoop-aws of its Hadoop")
    if why.has(NO_BUCKET) or why.says("BucketNotFoundException"):
        return StorageError(f"{place}: there is no such bucket; check the address and the endpoint (spark.hadoop.fs.*)")
    if why.has(*UNREACHABLE):
        return StorageError(f"{place}: it cannot be reached; check the address and the endpoint (spark.hadoop.fs.*)")
    if why.has(*DENIED) and why.has(*OF_AWS):
        return StorageError(
            f"{place}: no access; check the credentials (spark.hadoop.fs.*, the environment or the role)"
        )
    if why.has(*DENIED) or why.says("Permission denied", "Read-only file system", "Mkdirs failed"):
        return StorageError(f"{place}: not writable; check the permissions or set lake.path elsewhere")
    if why.has(*IN_THE_WAY) or "DELTA_CANNOT_CREATE_LOG_PATH" in why.conditions or why.says("Not a directory"):
        return StorageError(f"{place}: cannot be made there; set lake.path to a folder that can be written")
    if why.has(*MISSING):
        return StorageError(f"{place}: a file that a table names is gone; restore it, or run the stage that wrote it")
    return error
