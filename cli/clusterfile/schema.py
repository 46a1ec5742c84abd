"""What does an editor have to know about cluster files?"""

from __future__ import annotations

import json

from vsctl.cli.clusterfile.declarations import CLUSTER_FILE
from vsctl.cli.clusterfile.shapes import Schema


def json_schema() -> Schema:
    """Return the JSON schema, draft 2020-12, of the keys as they are declared."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vsctl cluster file",
        **CLUSTER_FILE.schema(),
    }


def as_text() -> str:
    return json.dumps(json_schema(), indent=1) + "\n"
