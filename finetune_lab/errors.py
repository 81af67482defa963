"""The mistakes that people make, as exceptions that are shown as a sentence, without a traceback."""


class LabError(Exception):
    """Something that the user can mend: the message says what, which value, and the next step. Exit code 2."""


class ConfigError(LabError):
    """The YAML or the command line asks for something that cannot be built."""


_LONGEST = 900  # characters


class DataError(LabError):
    """The data cannot be used as it is; the message names the file and the row.

    It quotes what strangers wrote (a name of a field, a value), so one that is long is cut in its middle.
    """

    def __init__(self, message: str) -> None:
        short = message if len(message) <= _LONGEST else f"{message[:600]} … {message[-200:]}"
        super().__init__(short)


class WorldError(LabError):
    """What the run needs is not there: a key, a file, a device, a licence, the network, room on the disk."""


class JobsFailed(LabError):  # noqa: N818
    """Some jobs of a sweep failed; the others are whole."""
