"""DCLM's 416 models: their run-to-run noise, what its stage comparisons say beyond it, and rank transfer.

Source: the DCLM model database (mlfoundations/dclm, commit 361714bdd60b, assets/DCLM_model_database.csv, MIT) of
Li et al. 2024, arXiv 2406.11794. The file itself is not part of this repository. Goes through `ablate import`.

Run: python results/published/dclm.py dclm_models.csv      (about half a minute)
Writes: dclm.md, dclm_stages.png, dclm_transfer.png, dclm_replicates.csv, dclm_stages.csv, dclm_transfer.csv
"""

from __future__ import annotations

import csv
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib.figure import Figure
from scipy.special import stdtrit
from scipy.stats import chi2, norm

from ablate.cli import main
from ablate.effects.decision import agreement
from ablate.effects.estimate import t_estimate
from ablate.effects.multiplicity import holm
from ablate.render.figure import HELPS, HURTS, INK, NONE, PALE, STYLE
from ablate.report.decision import between
from ablate.study.results import Study, load_study

HERE = Path(__file__).parent
Model = Mapping[str, str]
CORE = (
    "agi_eval_lsat_ar", "arc_easy", "arc_challenge", "bigbench_cs_algorithms", "bigbench_dyck_languages",
    "bigbench_language_identification", "bigbench_operators", "bigbench_qa_wikidata", "bigbench_repeat_copy_logic",
    "boolq", "commonsense_qa", "copa", "coqa", "hellaswag", "hellaswag_zeroshot", "jeopardy", "lambada_openai",
    "openbook_qa", "piqa", "squad", "winograd", "winogrande",
)  # fmt: skip
"""The 22 tasks of DCLM's Core. We take the plain mean of their accuracies: 414 of the 416 rows have it, and some of
the chance levels that the published, centred Core uses are known to be wrong (mlfoundations/dclm issue 114)."""
SMALL, MIDDLE, LARGE = "412M", "1.4B", "6.9B"
SIZES = {
    ("411616256", "8232325120"): SMALL,
    ("1439795200", "28795904000"): MIDDLE,
    ("6889410560", "137788211200"): LARGE,
}
"""Parameters and tokens, all at Chinchilla's ratio times one."""
USUAL = {
    SMALL: "lr=0p003-wd=0p033-cd=3e-05-bs=512-mult=1",
    MIDDLE: "lr=0p003-wd=0p033-cd=3e-05-bs=256-mult=1",
    LARGE: "lr=0p0003-wd=0p33-cd=3e-05-bs=2048-mult=1",
}
"""The hyper-parameters that most models of a size have; only such models are compared."""
NEOX = ("EleutherAI/gpt-neox-20b", "tokenizers/gpt_neox_tokenizer.json", "")
"""Names of the tokenizer of nearly all models; empty in ten rows, whose names give no other."""
FASTTEXT = "rw_v2_cc_v3_f0.15_resiliparse_fasttext_openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train_"
BASE = "rw_v2_w_substr_resiliparse"
BLOOM = "cc_v4_resiliparse_rw_v2_bff_minngram20_{}_shard3_OH_eli5_vs_rw_v2_bigram_200k_train_0.1"
REFERENCE = "rw_v2_cc_v3_f0.15_resiliparase_fasttext_{}_vs_rw_v2_bigram_200k_train_0.1"
MINHASH = "fasttext_openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train_minhash.b15.r93_substr"
ONE_SHARD = "cc_v4_resiliparse_rw_v2_bff1shards_shard_3_OH_eli5_vs_rw_v2_bigram_200k_train_0.1"
STAGES = (
    (
        "extraction",
        "trafilatura, not Resiliparse",
        "rw_v2_wo_dedup_trafilatura",
        "rw_v2_wo_dedup_resiliparse",
    ),
    ("extraction", "same, after deduplication", "rw_v2_w_substr_trafilatura", BASE),
    (
        "extraction",
        "C4: trafilatura, not Resiliparse",
        "c4_wo_dedup_trafilatura_subset_15k",
        "c4_wo_dedup_resiliparse",
    ),
    ("extraction", "C4: jusText, not Resiliparse", "c4_wo_dedup_justext", "c4_wo_dedup_resiliparse"),
    ("deduplication", "exact, not none", "rw_v2_w_exactdedup_resiliparse", "rw_v2_wo_dedup_resiliparse"),
    ("deduplication", "MinHash + substring, not exact", BASE, "rw_v2_w_exactdedup_resiliparse"),
    ("deduplication", "Bloom, 1 shard, not MinHash + substring", ONE_SHARD, MINHASH),
    ("deduplication", "Bloom, 10 shards, not MinHash + substring", BLOOM.format("10shards"), MINHASH),
    ("deduplication", "Bloom, 32 shards, not 10", BLOOM.format("32shards"), BLOOM.format("10shards")),
    ("model filter", "PageRank top fifth, not RefinedWeb", "rw_pagerank_bucket_4_of_5", BASE),
    ("model filter", "SemDeDup, not RefinedWeb", "rw_v2_semdedup_0.75", BASE),
    ("model filter", "BGE classifier, not RefinedWeb", "RW_orig_bge-base_shareGPT_heuristic", BASE),
    ("model filter", "AskLLM, not RefinedWeb", "refinedweb_v2_keyfix_ask_llm_gpt4++_1024_th0_2_masked", BASE),
    ("model filter", "perplexity, not RefinedWeb", "perplexity_f0.1_", BASE),
    ("model filter", "top-k logits, not RefinedWeb", "dfn_10_mean_0.71_2048_baebdddd", BASE),
    ("model filter", "fastText, not RefinedWeb", f"{FASTTEXT}0.1", BASE),
    ("model filter", "fastText, not top-k logits", f"{FASTTEXT}0.1", "dfn_10_mean_0.71_2048_baebdddd"),
    ("model filter", "fastText, not perplexity", f"{FASTTEXT}0.1", "perplexity_f0.1_"),
    (
        "reference data",
        "OH-2.5 + ELI5, not OH-2.5",
        f"{FASTTEXT}0.1",
        "rw_v2_cc_v3_f0.15_resiliparse_fasttext_openhermes_vs_rw_v2_bigram_100k_train_0.1",
    ),
    ("reference data", "OH-2.5 + ELI5, not GPT-3's", f"{FASTTEXT}0.1", REFERENCE.format("gpt3_hq")),
    ("reference data", "GPT-3's, not Wikipedia", REFERENCE.format("gpt3_hq"), REFERENCE.format("wiki")),
    (
        "reference data",
        "Wikipedia, not OpenWebText2",
        REFERENCE.format("wiki"),
        REFERENCE.format("openwebtext2"),
    ),
    ("threshold", "keep 10 %, not 20 %", f"{FASTTEXT}0.1", f"{FASTTEXT}0.2"),
    ("threshold", "keep 5 %, not 10 %", f"{FASTTEXT}0.05", f"{FASTTEXT}0.1"),
)
"""(stage, comparison, data set, data set it is compared with), at 1.4B. The last of a name may be its beginning."""


def recipe(model: Model) -> str:
    """What the file name says of the training, without data set, seed and what does not change the training.

    `swiglutorch` is another implementation of the same layer; `_copy`, `_run2` and `checkpoint-many` mark
    repeats.
    """
    text = (
        model["Model JSON"].removeprefix("evaluation_").removesuffix(".json").replace(model["Dataset"], "<D>")
    )
    text = re.sub(
        r"-?(seed|tokens)=\d+|_heavy|_copy|_variance_tests|_checkpoint-many|_run(v\d+|\d+)|_2$", "", text
    )
    return text.replace("swiglutorch", "").replace("_-", "-")


def accuracies(model: Model) -> dict[str, float]:
    """Task -> accuracy of the Core tasks, those that are there."""
    return {task: float(model[task]) for task in CORE if model[task]}


def replicates(models: Sequence[Model]) -> dict[str, list[Model]]:
    """Groups of models that differ in nothing that the row tells but the seed, or a repeat of the data's making.

    Same data set (a `_copy` of it is the same), size, tokens, tokenizer and recipe. Rows with equal scores on
    every task are one model that was evaluated twice. Models without all Core tasks are left out.
    """
    groups: dict[tuple[str, ...], list[Model]] = defaultdict(list)
    for model in models:
        if len(accuracies(model)) == len(CORE) and (model["params"], model["tokens"]) in SIZES:
            data = re.sub(r"_copy\d*$", "", model["Dataset"])
            tokenizer = "" if model["tokenizer"] in NEOX else model["tokenizer"]
            key = (data, model["params"], model["tokens"], tokenizer, recipe(model))
            if all(accuracies(model) != accuracies(other) for other in groups[key]):
                groups[key].append(model)
    return {key[0]: group for key, group in groups.items() if len(group) > 1}


def take(rows: Sequence[tuple[str, int, Model]], folder: Path, name: str) -> Study:
    """Models as a study, through `ablate import`."""
    lines = ["arm,seed,task,metric,score"]
    lines += [f"{arm},{seed},{t},acc,{v}" for arm, seed, model in rows for t, v in accuracies(model).items()]
    path = folder / f"{name}.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    with redirect_stdout(StringIO()):
        status = main(
            [
                "import",
                f"study.name={name}",
                f"study.dir={folder / name}",
                f"results.csv={path}",
                "results.allow_missing=true",
            ]
        )
    assert status == 0
    return load_study(folder / name)


def core_mean(study: Study) -> np.ndarray:
    """Shape (n_arms, n_seeds): the mean of the 22 accuracies."""
    return np.stack([study.scores(task, "acc") for task in CORE]).mean(axis=0)


def pooled(table: np.ndarray) -> tuple[float, int]:
    """Standard deviation within rows and its degrees of freedom, whatever each row's number of runs."""
    rows = [row[np.isfinite(row)] for row in table]
    df = sum(row.size - 1 for row in rows)
    return float(np.sqrt(sum(((row - row.mean()) ** 2).sum() for row in rows) / df)), df


def usual(models: Sequence[Model], size: str) -> dict[str, Model]:
    """Data set -> the first model of a size with its usual hyper-parameters and tokenizer."""
    found: dict[str, Model] = {}
    for model in models:
        if SIZES.get((model["params"], model["tokens"])) != size or len(accuracies(model)) < len(CORE):
            continue
        said = recipe(model).replace("mult=1p0", "mult=1")
        if said.endswith(USUAL[size]) and "geglu" not in said and model["tokenizer"] in NEOX:
            found.setdefault(model["Dataset"], model)
    return found


def find(models: Mapping[str, Model], name: str) -> Model:
    """A model by its data set, or by the beginning of its name."""
    if name in models:
        return models[name]
    return models[next(known for known in models if known.startswith(name))]


def stages(models: Sequence[Model], noise: float, df: int) -> list[dict[str, object]]:
    """Every comparison with the interval that the noise of single runs implies."""
    at = usual(models, MIDDLE)
    rows = []
    for stage, label, one, other in STAGES:
        first, second = find(at, one), find(at, other)
        gain = float(np.mean(list(accuracies(first).values())) - np.mean(list(accuracies(second).values())))
        found = t_estimate(gain, variance=2 * noise**2, df=df, n_seeds=1, method="stated noise", level=0.95)
        centred = [float(m["Core"]) if m["Core"] else np.nan for m in (first, second)]
        rows.append(
            {
                "stage": stage,
                "comparison": label,
                "gain": gain,
                "ci_low": found.ci_low,
                "ci_high": found.ci_high,
                "p_value": found.p_value,
                "core_gain": centred[0] - centred[1],
            }
        )
    for row, p in zip(rows, holm([float(str(r["p_value"])) for r in rows]), strict=True):
        row["p_holm"] = float(p)
        outside = float(str(row["p_value"])) <= 0.05
        row["verdict"] = (
            "holds" if p <= 0.05 else "holds alone, not after Holm" if outside else "within the noise"
        )
    return rows


def transfer(models: Sequence[Model], folder: Path) -> list[dict[str, object]]:
    """Decision accuracy and rank correlation between sizes, with a bootstrap over data sets beside ours."""
    at = {size: usual(models, size) for size in (SMALL, MIDDLE, LARGE)}
    rng, rows = np.random.default_rng(0), []
    for small, large in ((SMALL, MIDDLE), (SMALL, LARGE), (MIDDLE, LARGE)):
        shared = [data for data in at[large] if data in at[small]]
        names = {data: f"d{number}" for number, data in enumerate(shared)}
        studies = [
            take(
                [(names[data], 0, at[size][data]) for data in shared],
                folder,
                f"{size}-{small}-{large}".replace(".", "_"),
            )
            for size in (small, large)
        ]
        single = {row["task"]: row for row in between(*studies)}
        means = [core_mean(study)[:, 0] for study in studies]
        found = agreement(*means)
        draws = []
        for _ in range(2000):
            again = rng.integers(len(shared), size=len(shared))
            different = again[:, None] != again
            draws.append(agreement(means[0][again], means[1][again], pairs=different).accuracy)
        low, high = np.nanquantile(draws, [0.025, 0.975])
        tasks = sorted(float(single[task]["accuracy"]) for task in CORE)
        rows.append(
            {
                "small": small,
                "large": large,
                "n": len(shared),
                "pairs": found.n_pairs,
                "accuracy": found.accuracy,
                "ci_low": found.ci_low,
                "ci_high": found.ci_high,
                "bootstrap_low": low,
                "bootstrap_high": high,
                "spearman": found.spearman,
                "spearman_low": found.spearman_low,
                "spearman_high": found.spearman_high,
                "worst_task": tasks[0],
                "median_task": float(np.median(tasks)),
                "means": means,
            }
        )
    return rows


def draw_stages(
    rows: Sequence[Mapping[str, object]], groups: Mapping[str, list[Model]], noise: float
) -> None:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12, 7.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.9, 1))
        colours = {"holds": HELPS, "holds alone, not after Holm": "#56b4e9", "within the noise": NONE}
        for place, row in enumerate(rows):
            values = [100 * float(str(row[name])) for name in ("ci_low", "ci_high", "gain")]
            colour = colours[str(row["verdict"])]
            left.plot(values[:2], [place] * 2, color=colour, linewidth=2.2, solid_capstyle="butt")
            left.plot(
                values[2],
                place,
                "o",
                color=colour,
                markerfacecolor=colour if colour != NONE else "white",
                zorder=3,
            )
        left.axvline(0, color=INK, linewidth=0.8)
        left.set_yticks(range(len(rows)), [f"{row['comparison']}" for row in rows])
        left.set_ylim(len(rows) - 0.5, -0.5)
        left.tick_params(axis="y", length=0)
        for place in range(1, len(rows)):
            if rows[place]["stage"] != rows[place - 1]["stage"]:
                left.axhline(place - 0.5, color=PALE)
        left.grid(axis="x", color=PALE, linewidth=0.6)
        left.set_axisbelow(True)
        left.set_xlabel(
            "difference in points of mean accuracy, 22 tasks; 95 % interval for single runs", fontsize=9
        )
        left.set_title("DCLM at 1.4B. Filled: outside the noise by itself")
        for place, (name, group) in enumerate(groups.items()):
            scores = np.array([100 * np.mean(list(accuracies(model).values())) for model in group])
            right.plot(
                scores - scores.mean(), [place] * len(scores), "o", color=HURTS, markersize=7, alpha=0.8
            )
            right.text(-1.28, place - 0.26, f"{name[:46]}", fontsize=8)
        for edge in (-100 * noise, 100 * noise):
            right.axvline(edge, color=NONE, linestyle=(0, (3, 2)))
        right.set_xlim(-1.3, 1.3)
        right.set_ylim(len(groups) - 0.5, -0.6)
        right.set_yticks([])
        right.spines["left"].set_visible(False)
        right.set_xlabel("points from their mean; dashed: 1 sd", fontsize=9)
        right.set_title("Replicates")
        figure.savefig(HERE / "dclm_stages.png", dpi=130, metadata={"Software": None})


def draw_transfer(rows: Sequence[Mapping[str, object]]) -> None:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 4), layout="constrained")
        for axis, row in zip(figure.subplots(1, 3), rows, strict=True):
            x, y = (100 * np.asarray(values) for values in row["means"])  # type: ignore[attr-defined]
            axis.plot(x, y, "o", color=HELPS, markersize=6)
            axis.set_xlabel(f"mean accuracy at {row['small']}, %")
            axis.set_ylabel(f"at {row['large']}, %")
            axis.grid(color=PALE, linewidth=0.6)
            axis.set_axisbelow(True)
            share = [100 * float(str(row[name])) for name in ("accuracy", "ci_low", "ci_high")]
            axis.set_title(f"{share[0]:.0f} % of pairs alike [{share[1]:.0f}, {share[2]:.0f}]", fontsize=10)
        figure.savefig(HERE / "dclm_transfer.png", dpi=130, metadata={"Software": None})


def write_csv(name: str, rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    with (HERE / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([f"{row[c]:.5g}" if isinstance(row[c], float) else row[c] for c in columns])


def report(path: Path) -> None:
    with path.open(encoding="utf-8") as file:
        models = list(csv.DictReader(file))
    groups = {
        name: g for name, g in replicates(models).items() if SIZES[g[0]["params"], g[0]["tokens"]] == MIDDLE
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = take(
            [(data, seed, model) for data, group in groups.items() for seed, model in enumerate(group)],
            folder,
            "replicates",
        )
        table = core_mean(study)
        noise, df = pooled(table)
        per_task = sorted((pooled(study.scores(task, "acc"))[0], task) for task in CORE)
        moved = transfer(models, folder)
    compared = stages(models, noise, df)
    write_csv(
        "dclm_replicates.csv",
        [
            {
                "data": data,
                "run": seed,
                "mean_accuracy": float(np.mean(list(accuracies(m).values()))),
                "core": m["Core"],
                "extended": m["Extended"],
                "model": m["model_uuid"],
            }
            for data, group in groups.items()
            for seed, m in enumerate(group)
        ],
        ("data", "run", "mean_accuracy", "core", "extended", "model"),
    )
    write_csv(
        "dclm_stages.csv",
        compared,
        ("stage", "comparison", "gain", "ci_low", "ci_high", "p_value", "p_holm", "core_gain", "verdict"),
    )
    write_csv("dclm_transfer.csv", moved, [name for name in moved[0] if name != "means"])
    draw_stages(compared, groups, noise)
    draw_transfer(moved)
    (HERE / "dclm.md").write_text(
        page(models, groups, noise, df, per_task, compared, moved), encoding="utf-8"
    )


def page(
    models: Sequence[Model],
    groups: Mapping[str, list[Model]],
    noise: float,
    df: int,
    per_task: Sequence[tuple[float, str]],
    compared: Sequence[Mapping[str, object]],
    moved: Sequence[Mapping[str, object]],
) -> str:
    low, high = (100 * noise * np.sqrt(df / chi2.isf(tail, df)) for tail in (0.025, 0.975))
    least = float(stdtrit(df, 0.975)) * np.sqrt(2) * noise * 100
    runs = sum(map(len, groups.values()))
    lines = [
        f"| {row['stage']} | {row['comparison']} | {100 * float(str(row['gain'])):+.2f} | [{100 * float(str(row['ci_low'])):+.2f}, {100 * float(str(row['ci_high'])):+.2f}] "
        f"| {float(str(row['p_holm'])):.3f} | {100 * float(str(row['core_gain'])):+.1f} | {row['verdict']} |".replace(
            "+nan", "–"
        ).replace("nan", "–")
        for row in compared
    ]
    counts = defaultdict(int)
    for row in compared:
        counts[row["verdict"]] += 1
    alone = "; ".join(str(row["comparison"]) for row in compared if row["verdict"] != "within the noise")
    after = "; ".join(str(row["comparison"]) for row in compared if row["verdict"] == "holds") or "none"
    exact = 2 * norm.sf(np.abs([float(str(row["gain"])) for row in compared]) / (noise * np.sqrt(2)))
    known = int((holm(exact) <= 0.05).sum())
    jumps = [
        f"| {row['small']} to {row['large']} | {row['n']} | {row['pairs']} | {_percent(row, 'accuracy')} | {_percent(row, 'ci_low')} to {_percent(row, 'ci_high')} "
        f"| {_percent(row, 'bootstrap_low')} to {_percent(row, 'bootstrap_high')} | {row['spearman']:.2f} [{row['spearman_low']:.2f}, {row['spearman_high']:.2f}] "
        f"| {_percent(row, 'median_task')} ({_percent(row, 'worst_task')}) |"
        for row in moved
    ]
    noisy = ", ".join(f"`{task}` {100 * sd:.1f}" for sd, task in reversed(per_task[-4:]))
    calm = ", ".join(f"`{task}` {100 * sd:.1f}" for sd, task in per_task[:4])
    return f"""# DCLM's 416 models, read again

Source: the DCLM model database (mlfoundations/dclm, commit 361714bdd60b, MIT) of Li et al. 2024 (arXiv 2406.11794), {len(models)} rows;
the paper says that run-to-run variation was not explored. Made by `python results/published/dclm.py dclm_models.csv`,
through `ablate import`. Score: the plain mean of the accuracies on the 22 Core tasks, which all but two rows have;
the published, centred Core stands beside it where both models have one.

## How much two runs of the same recipe differ

What is a replicate was decided from each row: same data, size, tokens, tokenizer and hyper-parameters, another seed or a
marked repeat. Rows with equal scores on every task are one model evaluated again and count once: among them are two
rows of `c4_original` whose names say seed 125 and seed 126. {runs} models in {len(groups)} groups are left at 1.4B, with {df} degrees of
freedom (`dclm_replicates.csv`). In most groups no other seed is written: a copy of
the data made again, a repeat, another implementation of the same layer. Only `rayTok_rustShuf_test` has two seeds.

**The standard deviation between runs is {100 * noise:.2f} points of mean accuracy [{low:.2f}, {high:.2f}].** So two single runs must differ by
**{least:.1f} points** to be told apart at 5 %. Noisiest tasks, sd in points: {noisy}. Calmest: {calm}.

## Which stage comparisons hold

![Stage comparisons at 1.4B with intervals for single runs, and the replicates](dclm_stages.png)

One run on each side, so the interval is t({df}) x sqrt(2) x {100 * noise:.2f}. Holm over the {len(compared)} comparisons:
{counts["holds"]} hold, {counts["holds alone, not after Holm"]} hold alone but not after Holm, {counts["within the noise"]} are within the noise.

| stage | comparison | points | 95 % interval | p Holm | published Core | verdict |
| :-- | :-- | --: | --: | --: | --: | :-- |
{chr(10).join(lines)}

- **Outside the noise, each by itself**: {alone}.
- **After Holm** for {len(compared)} comparisons: {after}. Part of the reason is that {df} degrees of freedom of noise leave large p-values; were
  {100 * noise:.2f} known exactly, {known} of {len(compared)} would hold.
- **Within the noise**: Resiliparse against trafilatura (the sign changes with deduplication), Bloom filters against MinHash and
  their sharding, SemDeDup, PageRank, BGE and AskLLM against RefinedWeb, fastText against top-k logits or perplexity, 10 % against 20 %.
  This says that one run each does not settle them, not that they are equal: differences below {least:.1f} points cannot be seen.
- The WET baseline is left out: its row does not state the hyper-parameters.

## Does a small model rank data sets like a large one?

![Mean accuracy of the same data sets at two sizes](dclm_transfer.png)

| sizes | data sets | pairs | ranked alike | 95 % interval | bootstrap over data sets | rank correlation | single tasks: median (worst) |
| :-- | --: | --: | --: | --: | --: | --: | --: |
{chr(10).join(jumps)}

Only models with each size's usual hyper-parameters. The data sets are not a random sample: those that were trained at 6.9B
had been chosen for being good at 1.4B, which makes them harder to rank.
"""


def _percent(row: Mapping[str, object], name: str) -> str:
    return f"{100 * float(str(row[name])):.0f} %"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    report(Path(sys.argv[1]).resolve())
