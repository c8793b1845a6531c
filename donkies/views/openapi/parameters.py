"""Parameters of paths and headers, which are the same wherever they stand."""

from __future__ import annotations

from typing import Any

UUID = {"type": "string", "format": "uuid", "examples": ["0199c1a2-7d3e-7c4b-9a51-6f0e2d8b4c17"]}

# what stands between braces in paths
PATH: dict[str, tuple[str, dict[str, Any]]] = {
    "id": ("The id of what is meant.", UUID),
    "receipt": ("The receipt that the deletion was answered with.", UUID),
    "code": (
        "An institution's code.",
        {"type": "string", "minLength": 1, "maxLength": 200, "examples": ["mxbank"]},
    ),
}

# of answers: what each holds
HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {
        "description": "Changes whenever the answer does; send it back as If-None-Match.",
        "schema": {"type": "string", "examples": ['"5f2b1c9a7e3d4f60812a9b7c"']},
    },
    "Location": {
        "description": "Where what was made is read.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Retry-After": {
        "description": "Seconds until it is worth trying again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$", "examples": ["5"]},
    },
    "WWW-Authenticate": {
        "description": "What is wrong with the token (RFC 6750 §3, RFC 9470 §3).",
        "schema": {"type": "string", "examples": ["Bearer"]},
    },
    "X-Request-Id": {
        "description": "The request's id, as the logs have it: the one that was sent, or a new one.",
        "schema": {"type": "string", "examples": ["a1b2c3d4e5f6-00002a"]},
    },
    "Content-Disposition": {
        "description": "The name of the file.",
        "schema": {"type": "string", "examples": ['attachment; filename="export-2026-11-25.zip"']},
    },
}

IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of the answer that is there already: 304 when it is still good (RFC 9110 §13.1.2).",
    "required": False,
    "schema": {"type": "string", "examples": ['"5f2b1c9a7e3d4f60812a9b7c"']},
}
