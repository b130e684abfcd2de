"""`croissant.json`: an export in the Croissant 1.1 vocabulary, with responsible-AI fields.

The vocabulary: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html and
https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa

from internvid.publishing.pages.card_facts import CardFacts, SplitFacts

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{
        name: f"cr:{name}"
        for name in (
            *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract"),
            *("field", "fileProperty", "fileObject", "fileSet", "format", "includes", "isArray"),
            *("isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet"),
            *("references", "regex", "repeated", "replace", "samplingRate", "separator", "source"),
            *("subField", "transform"),
        )
    },
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "sc": "https://schema.org/",
}


_STATED = {"url": "url", "license": "licence", "citeAs": "citation"}


def croissant_of(facts: CardFacts) -> bytes:
    """`croissant.json`."""
    fields = facts.fields
    described: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.1",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": facts.title,
        "description": f"{facts.rows} videos of {facts.sources} source videos, "
        f"{facts.hours:.2f} hours.",
        "version": f"{facts.manifest.get('version', 1)}.0.0",
        "keywords": ["video", "video-text", "internvid"],
        "isLiveDataset": False,
    }
    stated = {name: fields.get(field) for name, field in _STATED.items()}
    described |= {name: value for name, value in stated.items() if value}
    if fields.get("creator"):
        described["creator"] = {"@type": "sc:Organization", "name": fields["creator"]}
    if facts.languages:
        described["inLanguage"] = sorted(facts.languages)
    described |= _responsible(facts)
    described["distribution"] = [
        part for name, split in facts.splits.items() for part in _files(name, split)
    ]
    described["recordSet"] = [
        _records(name, split, facts.schema) for name, split in facts.splits.items()
    ]
    return (json.dumps(described, indent=2, ensure_ascii=False) + "\n").encode()


def _responsible(facts: CardFacts) -> dict[str, Any]:
    """Responsible-AI fields, of what is known."""
    manifest = facts.manifest
    filters = [str(rule.get("reason")) for rule in facts.making.get("filters", [])]
    tools = sorted(str(each["by"]) for each in facts.making.get("columns", []))
    version = manifest.get("provenance", {}).get("internvid", "of an unknown version")
    missing = len(manifest.get("missing", []))
    found: dict[str, Any] = {
        "rai:dataCollection": f"Clips cut from {facts.sources} source videos by internvid {version}"
        "; how the source videos were collected is unknown.",
        "rai:dataCollectionMissingData": f"{missing} clips could not be written.",
        "rai:dataPreprocessingProtocol": [
            "Shots were found, clips were measured and filtered, and each clip was encoded anew.",
            *(f"Clips were left out by the filter {each}." for each in filters),
        ],
        "rai:dataLimitations": [
            "Whether the people shown agreed is unknown.",
            "Texts that models made were not all read.",
        ],
        "rai:personalSensitiveInformation": [
            "Unknown: videos may show people, and no face was blurred by this export."
        ],
        "rai:dataReleaseMaintenancePlan": "Clips that are taken down are removed in a later "
        "version; digests of their ids are in removed.parquet.",
    }
    if tools:
        found["rai:machineAnnotationTools"] = tools
    return found


def _files(name: str, split: SplitFacts) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": f"{name}-table",
            "name": f"{name}-table",
            "description": f"A row for each video of {name}.",
            "contentUrl": split.file,
            "contentSize": f"{split.bytes} B",
            "encodingFormat": "application/x-parquet",
            "sha256": split.sha256,
        },
        {
            "@type": "cr:FileSet",
            "@id": f"{name}-videos",
            "name": f"{name}-videos",
            "description": f"Videos of {name}.",
            "encodingFormat": "video/mp4",
            "includes": f"{split.videos}/*/*.mp4",
        },
    ]


def _records(name: str, split: SplitFacts, schema: pa.Schema) -> dict[str, Any]:
    fields = [_field(name, each.name, each.type) for each in schema]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"{split.rows} videos of the split {name}.",
        "field": [each for each in fields if each is not None],
    }


def _field(record_set: str, name: str, kind: pa.DataType) -> dict[str, Any] | None:
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    known = _data_type(kind.value_type if is_list else kind)
    if known is None:
        return None
    found: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{re.sub(r'[^A-Za-z0-9_.-]', '-', name)}",
        "name": name,
        "dataType": known,
        "source": {"fileObject": {"@id": f"{record_set}-table"}, "extract": {"column": name}},
    }
    if is_list:
        length = kind.list_size if pa.types.is_fixed_size_list(kind) else -1
        found |= {"isArray": True, "arrayShape": str(length)}
    return found


def _data_type(kind: pa.DataType) -> str | None:
    """Croissant's type; None where it has none."""
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    if pa.types.is_floating(kind):
        return "sc:Float"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "sc:Text"
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return "sc:DateTime" if pa.types.is_timestamp(kind) else "sc:Date"
    return None
