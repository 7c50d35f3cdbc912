"""What others' tools read of a generation: a Croissant description and a card of the Hugging Face hub.

Sources: Croissant 1.0 (docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html), schema.org's `digitalSourceType` for how the text
came to be, the hub's dataset card (its `language_creators: machine-generated` and tag `synthetic`).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ablate.generate.generation import Generation
from ablate.pool.digital_source import COLUMNS, TERM

CONTEXT: dict[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/", "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/", "prov": "http://www.w3.org/ns/prov#", "rai": "http://mlcommons.org/croissant/RAI/",
    "citeAs": "cr:citeAs", "column": "cr:column", "conformsTo": "dct:conformsTo", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract", "field": "cr:field", "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath", "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path",
    "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated",
    "replace": "cr:replace", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform",
    "equivalentProperty": "cr:equivalentProperty", "samplingRate": "cr:samplingRate",
}  # fmt: skip
NUMBERS = {"number": "sc:Integer", "part": "sc:Integer", "round": "sc:Integer", "generation": "sc:Integer",
           "shown_overlap": "sc:Float"}  # fmt: skip
FILE = "synthetic.jsonl"


def croissant(made: Generation, identity: dict[str, Any], written: str, name: str) -> dict[str, Any]:
    """The Croissant description of `synthetic.jsonl`.

    Args:
        identity: of teacher, settings and recipe.
        written: what the file holds.
        name: of the study.
    """
    said = {"text": "the document", "source": "synthetic/<recipe>", **COLUMNS}
    there = [column for column in said if any(column in row for row in made.rows)]
    terms = sorted({row[TERM] for row in made.rows})
    teacher = str(made.rows[0]["teacher"]) if made.rows else identity["teacher"]["teacher"]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"{name}-{identity['recipe']}",
        "description": f"{len(made.rows)} documents that {teacher} wrote by the recipe {identity['recipe']}; broken ones among "
        "them, with their defects.",
        "digitalSourceType": [f"https://schema.org/{term}" for term in terms],
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "sc:name": f"ablate generate, recipe {identity['recipe']}",
        },
        "prov:wasAttributedTo": {"@type": "prov:SoftwareAgent", "sc:name": teacher},
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": FILE,
                "name": FILE,
                "contentUrl": FILE,
                "encodingFormat": "application/jsonlines",
                "sha256": hashlib.sha256(written.encode()).hexdigest(),
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "documents",
                "name": "documents",
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"documents/{column}",
                        "name": column,
                        "description": said[column],
                        "dataType": NUMBERS.get(column, "sc:Text"),
                        "source": {"fileObject": {"@id": FILE}, "extract": {"column": column}},
                    }
                    for column in there
                ],
            }
        ],
    }


def card(made: Generation, identity: dict[str, Any], name: str) -> str:
    """The card of the hub, README.md beside the file: how the text came to be and what every column says."""
    defects = ", ".join(f"{defect} {count}" for defect, count in made.defects().items()) or "none"
    teacher = str(made.rows[0]["teacher"]) if made.rows else identity["teacher"]["teacher"]
    weights = str(made.rows[0].get("weights", "not told")) if made.rows else "not told"
    columns = "\n".join(f"- `{column}`: {what}" for column, what in COLUMNS.items())
    return f"""---
pretty_name: {json.dumps(f"{name}, {identity['recipe']}")}
language_creators:
- machine-generated
annotations_creators:
- no-annotation
tags:
- synthetic
configs:
- config_name: default
  data_files: {FILE}
---

# {name}: synthetic text, recipe {identity["recipe"]}

{len(made.rows)} documents, written by {teacher} (weights: {weights}), none by a person. Nothing was dropped; recorded defects: {defects}.
SYNTHETIC.md has samples, yield and cost. Terms of the teacher's licence, and of the texts that it was shown, may bind its output.

{columns}
"""
