"""How much of a file is taken, read and kept."""

from __future__ import annotations

MAX_FILE_BYTES = 10 * 1024 * 1024
"""Largest file that is taken."""
MAX_OF_QUESTION = 5
"""Files that one question may come with."""
MAX_QUESTION_CHARS = 60_000
"""Characters of text of all files that a model is shown with one question."""
MAX_UNUSED = 20
"""Files of one user that no question was asked with yet."""
UNUSED_HOURS = 24
"""So long a file is kept that no question was asked with."""

MAX_TEXT_CHARS = MAX_QUESTION_CHARS
"""Characters of one file that are kept: more is shown to no model."""
MAX_PAGES = 60
"""Pages of a PDF that are read."""
MAX_ROWS = 5_000
"""Rows of a table, or of one sheet, that are read."""
MAX_COLUMNS = 100
MAX_SHEETS = 20
MAX_CELL_CHARS = 1_000
MAX_UNPACKED_BYTES = 100 * 1024 * 1024
"""Bytes of a workbook once it is unpacked."""
MAX_PARTS = 2_000
"""Files within a workbook."""
MAX_PIXELS = 50_000_000
"""Pixels of a picture before it is scaled."""
MAX_SIDE = 1568
"""Pixels of a picture's longer side, as it is kept."""
MAX_IMAGE_BYTES = 1_500_000
"""Bytes of a picture, as it is kept."""

MAX_NAME_CHARS = 200
MAX_NOTES = 20
MAX_NOTE_CHARS = 300

MEMORY_BYTES = 1536 * 1024 * 1024
"""Address space of the process that reads a file."""
CPU_S = 20
"""Seconds of computing in which a file has to be read."""
WALL_S = 30.0
"""Seconds after which the process is ended."""
READ_S = 10.0
"""Seconds after which no further page is begun."""
AT_ONCE = 2
"""Files that one process of ours has read at the same time."""
MAX_WAITING = 16
"""Files that wait for their turn."""
WAIT_S = 20.0
"""Longest wait for one's turn."""
