"""The schema: every table and column, once.

Paths are bytes, since a file name need not be UTF-8. Every row that a snapshot depends on carries the
`change_seq` of the transaction that wrote it, so that "what came later" is one comparison.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
)

from storage.dialects import TEXT

__all__ = [
    "contents",
    "embeddings",
    "meta",
    "metadata",
    "photos",
    "removals",
    "roots",
    "snapshots",
    "spaces",
    "tags",
]

metadata = MetaData()

# SQLite knows AUTOINCREMENT, which never reuses an id, for INTEGER primary keys alone.
Id = BigInteger().with_variant(Integer, "sqlite")

meta = Table(
    "meta",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("value", TEXT, nullable=False),
)

roots = Table(
    "roots",
    metadata,
    Column("id", Id, primary_key=True),
    Column("path", LargeBinary, nullable=False, unique=True),
    Column("offline_reason", TEXT),
    sqlite_autoincrement=True,
)

contents = Table(
    "contents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("sha256", LargeBinary(32), nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("format", TEXT, nullable=False),
    Column("taken_at", TEXT),
    Column("taken_offset_minutes", Integer),
    Column("camera", TEXT),
    Column("lens", TEXT),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("altitude_m", Float),
    Column("rating", Integer),
    # A perceptual hash of the picture, 64 bits, big-endian; NULL until it was computed.
    Column("phash", LargeBinary(8)),
    # When the last photo with these bytes went, in seconds since 1970. The vectors stay for a while, so that
    # a file that moves from one root to another in two steps is not embedded again.
    Column("orphaned_at", Float),
    Index("contents_by_size", "size"),
    sqlite_autoincrement=True,
)
Index(
    "contents_orphaned",
    contents.c.orphaned_at,
    sqlite_where=contents.c.orphaned_at.is_not(None),
    postgresql_where=contents.c.orphaned_at.is_not(None),
)

photos = Table(
    "photos",
    metadata,
    Column("id", Id, primary_key=True),
    Column("root_id", Id, ForeignKey("roots.id"), nullable=False),
    Column("folder", LargeBinary, nullable=False),
    Column("name", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("ctime_ns", BigInteger, nullable=False),
    Column("device", BigInteger, nullable=False),
    # The clock when the bytes were read: a file changed within the clock's grain of it is read again.
    Column("read_at_ns", BigInteger, nullable=False),
    Column("content_id", Id, ForeignKey("contents.id")),
    Column("state", TEXT, nullable=False),
    Column("reason", TEXT),
    UniqueConstraint("root_id", "folder", "name"),
    Index("photos_by_content", "content_id"),
    Index("photos_by_state", "state"),
    sqlite_autoincrement=True,
)

spaces = Table(
    "spaces",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", TEXT, nullable=False, unique=True),
    Column("model", TEXT, nullable=False),
    Column("fingerprint", TEXT, nullable=False),
    Column("dim", Integer, nullable=False),
    Column("reads_text", Boolean, nullable=False),
    sqlite_autoincrement=True,
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("space_id", Id, ForeignKey("spaces.id"), primary_key=True),
    Column("content_id", Id, ForeignKey("contents.id"), primary_key=True),
    # Little-endian float16, L2-normalised; NULL where the model gave no usable vector, with the reason.
    Column("vector", LargeBinary),
    Column("reason", TEXT),
    Column("change_seq", BigInteger, nullable=False),
    Index("embeddings_by_change", "space_id", "change_seq"),
    # The key begins with the space: without this, each content that is forgotten is looked for in every row.
    Index("embeddings_by_content", "content_id"),
)
Index(
    "embeddings_without_vector",
    embeddings.c.space_id,
    embeddings.c.content_id,
    sqlite_where=embeddings.c.vector.is_(None),
    postgresql_where=embeddings.c.vector.is_(None),
)

tags = Table(
    "tags",
    metadata,
    Column("content_id", Id, ForeignKey("contents.id"), primary_key=True),
    Column("label", TEXT, primary_key=True),
    # 0 to 1; a tag that the user took away stands with 0, so that no model brings it back.
    Column("confidence", Float, nullable=False),
    Column("by_hand", Boolean, nullable=False),
    Index("tags_by_label", "label", "confidence"),
)

removals = Table(
    "removals",
    metadata,
    Column("id", Id, primary_key=True),
    Column("space_id", Id, ForeignKey("spaces.id"), nullable=False),
    Column("content_id", BigInteger, nullable=False),
    Column("change_seq", BigInteger, nullable=False),
    Index("removals_by_change", "space_id", "change_seq"),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", Id, primary_key=True),
    Column("space_id", Id, ForeignKey("spaces.id"), nullable=False),
    Column("file", TEXT, nullable=False),
    Column("sha256", TEXT, nullable=False),
    Column("max_seq", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("dim", Integer, nullable=False),
    Column("metric", TEXT, nullable=False),
    Column("kind", TEXT, nullable=False),
    Column("recall", Float, nullable=False),
    Column("fingerprint", TEXT, nullable=False),
    # Which folder the file lies in, where several share the catalog; empty for the one that holds the catalog.
    Column("folder", TEXT, nullable=False, server_default=""),
    sqlite_autoincrement=True,
)
