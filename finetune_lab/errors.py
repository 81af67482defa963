"""The mistakes that people make, as exceptions that are shown as a sentence, without a traceback."""


class LabError(Exception):
    """Something that the user can mend: the message says what, which value, and the next step. Exit code 2."""


class ConfigError(LabError):
    """The YAML or the command line asks for something that cannot be built."""


class DataError(LabError):
    """The data cannot be used as it is; the message names the file and the row."""


class WorldError(LabError):
    """What the run needs is not there: a key, a file, a device, a licence, the network, room on the disk."""


class JobsFailed(LabError):  # noqa: N818
    """Some jobs of a sweep failed; the others are whole."""
