"""Links (OpenAPI 3.1 §4.8.20): what an answer gives that other operations take. Found by comparing the two."""

from __future__ import annotations

from typing import Any

OK = ("200", "201", "202")


def with_links(paths: dict[str, dict[str, Any]]) -> None:
    """Put links on the answers: from what bears an id to what is done with it, and from a page to the next."""
    readers = _readers(paths)
    for path, methods in paths.items():
        for method, operation in methods.items():
            for status in OK:
                answer = operation["responses"].get(status, {})
                links = _of_things(readers, paths, answer) | _of_pages(method, operation, answer)
                if links and not path.startswith("/v1/erasures"):
                    answer["links"] = links


def _readers(paths: dict[str, dict[str, Any]]) -> dict[str, str]:
    """By each schema's reference, the path at which one such thing is read."""
    found = {}
    for path, methods in paths.items():
        if path.endswith("}") and (schema := _schema(methods.get("get", {}).get("responses", {}).get("200", {}))):
            found[schema] = path
    return found


def _schema(answer: dict[str, Any]) -> str | None:
    content = answer.get("content", {}).get("application/json", {})
    return content.get("schema", {}).get("$ref")


def _of_things(readers: dict[str, str], paths: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    content = answer.get("content", {}).get("application/json", {})
    example = content.get("example")
    if not isinstance(example, dict):
        return {}
    schema, where, thing = _schema(answer), "", example
    if isinstance(example.get("data"), list) and example["data"] and isinstance(example["data"][0], dict):
        schema, where, thing = (schema or "").removesuffix("s"), "/data/0", example["data"][0]
    path = readers.get(schema or "")
    if path is None:
        return {}
    name = path[path.rindex("{") + 1 : -1]
    if name not in thing:
        return {}
    links = {}
    for other, methods in paths.items():
        if other == path or other.startswith(path + "/"):
            for operation in methods.values():
                identity = operation["operationId"]
                links[identity] = {"operationId": identity, "parameters": {name: f"$response.body#{where}/{name}"}}
    return links


def _of_pages(method: str, operation: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    takes = any(one["in"] == "query" and one["name"] == "cursor" for one in operation["parameters"])
    if method != "get" or not takes:
        return {}
    identity = operation["operationId"]
    taken = {"cursor": "$response.body#/next_cursor"}
    return {f"{identity}Next": {"operationId": identity, "parameters": taken}}
