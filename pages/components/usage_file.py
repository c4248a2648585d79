"""The requests of a period as an open file, for a download button."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from typing import BinaryIO

from core.metering.usage import Span
from core.metering.usage_exports import FileFormat, UsageExports, Wanted
from core.principal import Principal
from pages.components.usage_log import MAX_FILE_ROWS


def made(
    exports: UsageExports,
    principal: Principal,
    span: Span,
    *,
    whole_organisation: bool,
    models: Sequence[str],
    statuses: Sequence[str],
    file_format: FileFormat,
) -> BinaryIO:
    """The file at its beginning; it is gone once it is closed.

    Raises:
        InvalidRequest: there are more requests than one file from the page has.
    """
    wanted = Wanted(span, file_format, statuses, models, whole_organisation, MAX_FILE_ROWS)
    out = tempfile.TemporaryFile()  # noqa: SIM115 (whoever downloads it reads it, and closes it)
    exports.write(principal, wanted, out)
    out.seek(0)
    return io.BufferedReader(out.detach())  # a download button takes no file that is open for both
