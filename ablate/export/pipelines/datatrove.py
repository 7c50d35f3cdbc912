"""A recipe as a datatrove pipeline: the stages that one step of datatrove does, over the texts of the pool.

What is the same, and how often it is not, is counted in docs/differences.md. Stages that compare documents take several
executors and are left to the reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ablate.export.script import CLOSE, NONE, SAME, Script, Translated
from ablate.stages.base import Stage
from ablate.stages.c4_quality import C4Quality
from ablate.stages.extraction import Extraction
from ablate.stages.fineweb_quality import FineWebQuality
from ablate.stages.gopher_quality import GopherQuality
from ablate.stages.gopher_repetition import GopherRepetition
from ablate.stages.language import Language
from ablate.stages.minhash_dedup import MinhashDedup
from ablate.stages.pii import Pii

LINES = "same decisions on texts with plain LF line ends"
HEAD = '''"""The recipe of arm {arm} as a datatrove pipeline, written by `ablate export export.pipeline=datatrove`.

Reads a folder of Parquet with id, text and url (`ablate export export.format=parquet` of an arm without these stages), or the
shards of a pool in ablate's store; writes JSON lines. Needs datatrove[io,processing] and spacy.

{stages}

  python {file} INPUT OUTPUT [WORKERS]
"""

from __future__ import annotations

{first}
from datatrove.executor import LocalPipelineExecutor
{imports}from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import JsonlWriter


def document(self, data, path, id_in_file):
    """A row as datatrove wants it: 16 hexadecimal digits for the id, as ablate's exports and ledgers have them."""
    key = data.get("id") or f"{{data['key']:016x}}"
    return {{"text": data["text"], "id": key, "metadata": {{"url": data.get("url") or "", "html": "key" in data and data["kind"] == "html"}}}}

{classes}

def pipeline(source: str, target: str) -> list:
    """The steps, in order."""
    return [
        ParquetReader(source, glob_pattern="*.parquet", adapter=document),
{steps}        JsonlWriter(target),
    ]


if __name__ == "__main__":
    source, target, *workers = sys.argv[1:]
    count = int(workers[0]) if workers else 1
    LocalPipelineExecutor(pipeline=pipeline(source, target), tasks=count, workers=count, logging_dir=f"{{target}}/logs").run()
'''
PAGES = '''
class PagesTrafilatura(Trafilatura):
    """Documents of a pool that are HTML; those that are text already pass."""

    def run(self, data, rank=0, world_size=1):
        for html, documents in groupby(data, key=lambda document: document.metadata["html"]):
            yield from super().run(documents, rank, world_size) if html else documents

'''
"""A class of the script, where it extracts."""
FILTERS, EXTRACTORS, FORMATTERS = (
    f"datatrove.pipeline.{kind}" for kind in ("filters", "extractors", "formatters")
)


def script(arm: str, stages: Sequence[Stage]) -> Script:
    """The script of an arm's stages."""
    translated = tuple(translate(stage) for stage in stages)
    modules = {FILTERS: "Filter", EXTRACTORS: "Trafilatura", FORMATTERS: "PIIFormatter"}
    classes = sorted({stage.code.partition("(")[0] for stage in translated if stage.code})
    imports = "".join(
        f"from {module} import {', '.join(names)}\n"
        for module, ending in sorted(modules.items())
        if (names := [name.removeprefix("Pages") for name in classes if name.endswith(ending)])
    )
    said = "\n".join(f"  {one.name:<20} {one.claim:<6} {one.remark}".rstrip() for one in translated)
    steps = "".join(
        f"        {one.code},  # {one.name}: {one.claim}\n"
        if one.code
        else f"        # {one.name}: no equivalent: {one.remark}\n"
        for one in translated
    )
    safe = "".join(letter if letter.isalnum() or letter in "_+=-.," else "?" for letter in arm)
    pages = "PagesTrafilatura" in classes
    text = HEAD.format(
        arm=safe,
        classes=PAGES if pages else "",
        first="import sys\nfrom itertools import groupby\n" if pages else "import sys\n",
        stages=said,
        imports=imports,
        steps=steps,
        file="datatrove_pipeline.py",
    )
    return Script(text, translated)


def translate(stage: Stage) -> Translated:
    """A stage in datatrove."""
    if stage.only is not None:
        return Translated(stage.name, NONE, f"it deals with {stage.only} documents alone")
    if type(stage) in SAME_FILTERS:
        return _same_filter(stage, *SAME_FILTERS[type(stage)])
    if type(stage) in KNOWN:
        return KNOWN[type(stage)](stage)
    return Translated(stage.name, NONE, "datatrove has no such step")


SAME_FILTERS: dict[type[Stage], tuple[str, dict[str, str]]] = {
    GopherQuality: (
        "GopherQualityFilter",
        {
            "min_doc_words": "min_words",
            "max_doc_words": "max_words",
            "min_avg_word_length": "min_mean_length",
            "max_avg_word_length": "max_mean_length",
            "max_symbol_word_ratio": "max_symbol_ratio",
            "max_bullet_lines_ratio": "max_bullet_lines",
            "max_ellipsis_lines_ratio": "max_ellipsis_lines",
            "max_non_alpha_words_ratio": "min_alpha_words",
            "min_stop_words": "min_stop_words",
        },
    ),
    GopherRepetition: (
        "GopherRepetitionFilter",
        {
            "dup_line_frac": "dup_lines",
            "dup_para_frac": "dup_paragraphs",
            "dup_line_char_frac": "dup_line_chars",
            "dup_para_char_frac": "dup_paragraph_chars",
            "top_n_grams": "top_n_grams",
            "dup_n_grams": "dup_n_grams",
        },
    ),
    C4Quality: (
        "C4QualityFilter",
        {
            "remove_citations": "citations",
            "filter_no_terminal_punct": "terminal_punctuation",
            "min_num_sentences": "min_sentences",
            "min_words_per_line": "min_words_per_line",
            "max_word_length": "max_word_length",
            "filter_lorem_ipsum": "lorem_ipsum",
            "filter_javascript": "javascript",
            "filter_curly_bracket": "curly_bracket",
            "filter_policy": "policy",
        },
    ),
    FineWebQuality: (
        "FineWebQualityFilter",
        {
            "line_punct_thr": "min_punctuated_lines",
            "short_line_thr": "max_short_lines",
            "short_line_length": "short_line",
            "char_duplicates_ratio": "max_duplicate_chars",
            "new_line_ratio": "max_line_breaks",
        },
    ),
}
"""Stage -> datatrove's filter, and which of its parameters has which of ours."""


def _same_filter(s: Stage, filter: str, parameters: Mapping[str, str]) -> Translated:
    given = ", ".join(f"{theirs}={_literal(getattr(s, ours))}" for theirs, ours in parameters.items())
    return Translated(s.name, SAME, LINES, f"{filter}({given})")


def _literal(value: object) -> str:
    """A value as Python has it, pairs as tuples."""
    return repr(tuple(map(tuple, value)) if isinstance(value, (list, tuple)) else value)


def _language(s: Language) -> Translated:
    code = f"LanguageFilter(languages={list(s.languages)}, language_threshold={s.threshold})"
    return Translated(
        s.name, CLOSE, "datatrove downloads fastText's full model; ours is the compressed one", code
    )


def _extraction(s: Extraction) -> Translated:
    if s.method != "trafilatura":
        return Translated(
            s.name, NONE, f"datatrove has no {s.method}; export an arm that has only this stage and read that"
        )
    return Translated(
        s.name,
        CLOSE,
        "one second a page at most",
        "PagesTrafilatura(favour_precision=True, deduplicate=False)",
    )


def _pii(s: Pii) -> Translated:
    return Translated(s.name, CLOSE, "its own replacements, which rotate", "PIIFormatter()")


def _minhash(s: MinhashDedup) -> Translated:
    return Translated(
        s.name,
        NONE,
        f"in one pipeline: four executors of its own (MinhashConfig(n_grams={s.ngram}, num_buckets={s.bands}, "
        f"hashes_per_bucket={s.rows})), with other hash functions",
    )


KNOWN: dict[type, Callable[..., Translated]] = {
    Language: _language,
    Extraction: _extraction,
    Pii: _pii,
    MinhashDedup: _minhash,
}
