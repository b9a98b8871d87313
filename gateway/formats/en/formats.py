"""How pages write dates and times: calls of one minute must differ, and a time without its zone says nothing.

Read by Django (FORMAT_MODULE_PATH); what may be typed into forms stays as it is.
"""

from __future__ import annotations

DATETIME_FORMAT = SHORT_DATETIME_FORMAT = "Y-m-d H:i:s T"
DATE_FORMAT = SHORT_DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i:s"
