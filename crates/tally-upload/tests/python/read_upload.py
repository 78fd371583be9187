"""Reads an upload file with nothing but split, and prints it as JSON.

usage: read_upload.py FILE

Shares no code with the project. What it knows of the format: UTF-8 without a byte order mark, a header, fields separated by ";",
records ended by "~" and a line feed, "||" at the end, and the number of fields of each kind.
"""

import json
import sys
from pathlib import Path

FIELDS = {"JBSJ": 15, "ABSJ": 12, "JZTT": 10, "JCJY": 14}


def require(holds, what):
    if not holds:
        sys.exit(f"{sys.argv[1]}: {what}")


def main():
    path = Path(sys.argv[1])
    raw = path.read_bytes()
    require(not raw.startswith(b"\xef\xbb\xbf"), "begins with a byte order mark")
    require(b"\r" not in raw, "has a carriage return")
    mine, kind, stamp = path.stem.split("_")
    require(path.suffix == ".txt", "is no .txt")
    *records, end = raw.decode("utf-8", errors="strict").split("~\n")
    require(end == "||\n", f"ends in {end!r}")
    header, *records = [record.split(";") for record in records]
    require(len(header) == 5, f"header has {len(header)} fields")
    require(header[0] == mine, "mine code is not that of the name")
    require("".join(filter(str.isdigit, header[4])) == stamp, "time is not that of the name")
    for number, record in enumerate(records, 1):
        require(len(record) == FIELDS[kind], f"record {number} has {len(record)} fields")
        require(not any(mark in field for field in record for mark in "~|\n"), f"record {number} has a separator in a field")
    json.dump({"header": header, "records": records}, sys.stdout, ensure_ascii=False)


main()
