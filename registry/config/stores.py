"""The keys below `storage`: the drivers' own parameters and what every driver shares."""

# ruff: noqa: RUF012 - msgspec gives each instance its own copy of an empty list or map

from typing import Annotated, ClassVar

from registry.config.keys import Field, Key, Seconds, Section, fields_of

MIB = 1024 * 1024


class Parameters(Section, frozen=True, kw_only=True):
    """Parameters of one driver. Keys that are not known are kept: a driver may have its own."""

    open_field: ClassVar[str | None] = "own"

    own: dict[str, object] = {}

    def mapping(self) -> dict[str, object]:
        """Return every parameter that has a value, defaults included, by YAML name."""
        found: dict[str, object] = dict(self.own)
        for field in fields_of(type(self)):
            value = getattr(self, field.attribute)
            if value is not None:
                found[field.name] = value.mapping() if isinstance(value, Parameters) else value
        return found


class Filesystem(Parameters, frozen=True, kw_only=True):
    """A directory of this host."""

    rootdirectory: Annotated[str, Key("directory the registry's data rests below")] = (
        "/var/lib/registry"
    )
    maxthreads: Annotated[
        int, Key("how many file operations may block at once; at least 25", positive=True)
    ] = 100


class InMemory(Parameters, frozen=True, kw_only=True):
    """The memory of one process, for tests."""


class S3(Parameters, frozen=True, kw_only=True):
    """Amazon S3 and stores that speak its protocol."""

    accesskey: Annotated[str | None, Key("access key; empty takes the host's own", secret=True)] = (
        None
    )
    secretkey: Annotated[str | None, Key("secret of the access key", secret=True)] = None
    region: Annotated[str | None, Key("region of the bucket; distribution 2.8 demands it")] = None
    regionendpoint: Annotated[str | None, Key("base URL of a store that is not Amazon's")] = None
    redirectendpoint: Annotated[
        str | None, Key("base URL clients are redirected to instead", version="3")
    ] = None
    forcepathstyle: Annotated[
        bool | None, Key("bucket in the path, not in the host name", version="3")
    ] = None
    accelerate: Annotated[bool | None, Key("use transfer acceleration", version="3")] = None
    usedualstack: Annotated[bool | None, Key("use the IPv4 and IPv6 endpoint", version="3")] = None
    usefipsendpoint: Annotated[bool | None, Key("use the FIPS endpoint", version="3")] = None
    bucket: Annotated[str | None, Key("name of the bucket", required=True)] = None
    rootdirectory: Annotated[str, Key("prefix of every object's name")] = ""
    encrypt: Annotated[bool, Key("ask for encryption at rest")] = False
    keyid: Annotated[str | None, Key("KMS key to encrypt with")] = None
    secure: Annotated[bool, Key("HTTPS to the store")] = True
    skipverify: Annotated[bool, Key("do not check the store's certificate")] = False
    v4auth: Annotated[bool, Key("sign requests with version 4")] = True
    chunksize: Annotated[
        int, Key("bytes of a part of a multipart upload; at least 5 MiB", positive=True)
    ] = 10 * MIB
    multipartcopychunksize: Annotated[int, Key("bytes of a part of a copy", positive=True)] = (
        32 * MIB
    )
    multipartcopymaxconcurrency: Annotated[
        int, Key("parts of a copy at the same time", positive=True)
    ] = 100
    multipartcopythresholdsize: Annotated[
        int, Key("bytes from which a copy is done in parts", positive=True)
    ] = 32 * MIB
    storageclass: Annotated[str, Key("storage class of new objects; NONE sends none")] = "STANDARD"
    objectacl: Annotated[str, Key("canned ACL of new objects")] = "private"
    useragent: Annotated[str | None, Key("User-Agent sent to the store")] = None
    loglevel: Annotated[str, Key("how much the store's client logs", version="3")] = "off"


class GCS(Parameters, frozen=True, kw_only=True):
    """Google Cloud Storage."""

    bucket: Annotated[str | None, Key("name of the bucket", required=True)] = None
    keyfile: Annotated[str | None, Key("service account's key file")] = None
    credentials: Annotated[
        dict[str, object] | None, Key("service account's key, written in place", secret=True)
    ] = None
    rootdirectory: Annotated[str, Key("prefix of every object's name")] = ""
    chunksize: Annotated[
        int, Key("bytes of a piece of an upload; a multiple of 256 KiB", positive=True)
    ] = 16 * MIB
    maxconcurrency: Annotated[int, Key("requests at the same time", positive=True)] = 50
    useragent: Annotated[str | None, Key("User-Agent sent to the store", version="3")] = None


class AzureCredentials(Parameters, frozen=True, kw_only=True):
    """How to sign in to Azure."""

    type: Annotated[
        str | None, Key("shared_key, client_secret or default_credentials", version="3")
    ] = None
    clientid: Annotated[str | None, Key("client of the application", version="3")] = None
    tenantid: Annotated[str | None, Key("tenant of the application", version="3")] = None
    secret: Annotated[str | None, Key("secret of the application", version="3", secret=True)] = None


class Azure(Parameters, frozen=True, kw_only=True):
    """Azure Blob Storage."""

    accountname: Annotated[str | None, Key("name of the storage account")] = None
    accountkey: Annotated[str | None, Key("key of the storage account", secret=True)] = None
    container: Annotated[str | None, Key("name of the container", required=True)] = None
    connectionstring: Annotated[
        str | None, Key("account, key and endpoint in one", version="3", secret=True)
    ] = None
    serviceurl: Annotated[str | None, Key("base URL of the service", version="3")] = None
    credentials: Annotated[AzureCredentials | None, Key("how to sign in", version="3")] = None
    realm: Annotated[str, Key("suffix of the service's host name")] = "core.windows.net"
    rootdirectory: Annotated[str, Key("prefix of every blob's name", version="3")] = ""
    max_retries: Annotated[int, Key("tries after a failure", version="3")] = 5
    retry_delay: Annotated[Seconds, Key("wait before another try", version="3")] = Seconds(0.1)
    skipverify: Annotated[bool, Key("do not check the store's certificate", version="3")] = False


class Swift(Parameters, frozen=True, kw_only=True):
    """OpenStack Swift; only distribution 2.8 had it."""

    warn_unknown: ClassVar[bool] = False


class OSS(Parameters, frozen=True, kw_only=True):
    """Alibaba Cloud OSS; only distribution 2.8 had it."""

    warn_unknown: ClassVar[bool] = False


class Delete(Section, frozen=True, kw_only=True):
    """Deleting over HTTP."""

    enabled: Annotated[bool, Key("manifests, tags and blobs may be deleted over HTTP")] = False


class Redirect(Section, frozen=True, kw_only=True):
    """Sending readers to the store itself."""

    disable: Annotated[bool, Key("never redirect a reader to the store")] = False


class Cache(Section, frozen=True, kw_only=True):
    """Remembering what blobs are."""

    blobdescriptor: Annotated[
        str | None, Key("where descriptors of blobs are remembered: inmemory or redis")
    ] = None
    layerinfo: Annotated[str | None, Key("old name of blobdescriptor")] = None
    blobdescriptorsize: Annotated[
        int, Key("how many descriptors are remembered; 0 is without bound", version="3")
    ] = 10000

    @property
    def kind(self) -> str | None:
        """The cache asked for under either name, or None."""
        return self.blobdescriptor or self.layerinfo


class Tag(Section, frozen=True, kw_only=True):
    """Looking up tags."""

    concurrencylimit: Annotated[
        int, Key("tag lookups at the same time; 0 is one for each core", version="3")
    ] = 0


class UploadPurging(Section, frozen=True, kw_only=True):
    """Removing uploads nobody finishes."""

    enabled: Annotated[bool, Key("remove abandoned uploads")] = True
    age: Annotated[Seconds, Key("an upload this old is abandoned")] = Seconds(168 * 3600.0)
    interval: Annotated[Seconds, Key("time between two rounds", positive=True)] = Seconds(
        24 * 3600.0
    )
    dryrun: Annotated[bool, Key("only log what would be removed")] = False


class ReadOnly(Section, frozen=True, kw_only=True):
    """Refusing writes."""

    enabled: Annotated[bool, Key("answer every write with 405")] = False


class Maintenance(Section, frozen=True, kw_only=True):
    """Keeping house."""

    uploadpurging: Annotated[UploadPurging, Key("abandoned uploads")] = UploadPurging()
    readonly: Annotated[ReadOnly, Key("refusing writes")] = ReadOnly()


class Storage(Section, frozen=True, kw_only=True):
    """Where bytes rest, and the rules that hold for every driver.

    Exactly one driver is set after a successful load.
    """

    open_field: ClassVar[str | None] = "others"
    warn_unknown: ClassVar[bool] = False
    scalar_is_key: ClassVar[bool] = True

    filesystem: Annotated[Filesystem | None, Key("a directory of this host")] = None
    inmemory: Annotated[InMemory | None, Key("memory of one process, for tests")] = None
    s3: Annotated[S3 | None, Key("Amazon S3 or alike")] = None
    gcs: Annotated[GCS | None, Key("Google Cloud Storage")] = None
    azure: Annotated[Azure | None, Key("Azure Blob Storage")] = None
    swift: Annotated[Swift | None, Key("OpenStack Swift", version="2.8")] = None
    oss: Annotated[OSS | None, Key("Alibaba Cloud OSS", version="2.8")] = None
    delete: Annotated[Delete, Key("deleting over HTTP")] = Delete()
    redirect: Annotated[Redirect, Key("sending readers to the store")] = Redirect()
    cache: Annotated[Cache, Key("remembering descriptors")] = Cache()
    tag: Annotated[Tag, Key("looking up tags", version="3")] = Tag()
    maintenance: Annotated[Maintenance, Key("keeping house")] = Maintenance()
    others: dict[str, dict[str, object]] = {}

    @property
    def driver(self) -> str:
        """Name of the driver; the first where more than one is given, empty where none is."""
        return next(iter(self.drivers), "")

    @property
    def drivers(self) -> dict[str, dict[str, object]]:
        """Every driver given, with its parameters; one after a successful load."""
        found = {
            field.name: value.mapping()
            for field in driver_fields()
            if isinstance(value := getattr(self, field.attribute), Parameters)
        }
        return found | self.others

    @property
    def parameters(self) -> dict[str, object]:
        """Parameters of `driver` by YAML name, defaults included, durations in seconds."""
        return self.drivers.get(self.driver, {})


def driver_fields() -> list[Field]:
    """Return the keys of `storage` that name a driver."""
    return [
        field
        for field in fields_of(Storage)
        if field.shape.section is not None and issubclass(field.shape.section, Parameters)
    ]
