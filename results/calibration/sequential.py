"""Seeds in rounds: 2,000 simulated sweeps per case; the error held over all looks, and the runs that were saved.

A leave-one-out sweep of seven stages with up to eight seeds, looked at after 3, 5 and 8. Scores are a seed's
part, shared by all arms, plus noise of its own (sd 1 a run). A contrast is closed when its sequential p-value,
after Holm over the seven, is at most 0.05; its arm then gets no further seeds. The same statistics as in
`ablate sweep sequential.looks=[3,5,8]`, computed for all sweeps at once.

Run: python results/calibration/sequential.py      (about half a minute on one core)
Writes: sequential.md, sequential.png
"""

from __future__ import annotations

import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from ablate.effects.multiplicity import holm
from ablate.effects.sequential import SPENDING, boundaries
from ablate.provenance import provenance
from ablate.render.figure import HELPS, HURTS, INK, NONE, PALE, STYLE

HERE = Path(__file__).parent
SWEEPS, STAGES, LOOKS = 2000, 7, (3, 5, 8)
EFFECTS = {
    "no stage has an effect": (0.0,) * 7,
    "three stages, 6 sd": (6.0, 6.0, 6.0, 0.0, 0.0, 0.0, 0.0),
    "three stages, 3 sd": (3.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0),
    "all stages, 4 sd": (4.0,) * 7,
    "a range, 0 to 8 sd": (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0),
}
"""Case -> true gain of each stage, in standard deviations of a run."""
NOISES = ("normal", "heavy tails", "unequal")


def draw(rng: np.random.Generator, noise: str) -> np.ndarray:
    """Shape (SWEEPS, 1 + STAGES, seeds): noise of every run, sd 1 (unequal: 0.3 to 3 over the arms)."""
    shape = (SWEEPS, 1 + STAGES, LOOKS[-1])
    if noise == "heavy tails":
        return rng.standard_t(4, size=shape) / np.sqrt(2)
    own = rng.normal(size=shape)
    return own * np.geomspace(0.3, 3, 1 + STAGES)[:, None] if noise == "unequal" else own


def simulate(effects: tuple[float, ...], noise: str, spending: str, seed: int) -> dict[str, float]:
    """Family-wise error, power and runs of sequential sweeps, and of fixed ones with all eight seeds."""
    rng = np.random.default_rng(seed)
    scores = draw(rng, noise) + rng.normal(size=(SWEEPS, 1, LOOKS[-1]))
    truth = np.asarray(effects)
    differences = scores[:, :1] - scores[:, 1:] + truth[:, None]
    found = boundaries(LOOKS, spending)
    t = np.stack([stats.ttest_1samp(differences[..., :n], 0, axis=-1).statistic for n in LOOKS], axis=-1)
    closed = np.zeros((SWEEPS, STAGES), dtype=bool)
    p = np.ones((SWEEPS, STAGES))
    runs = np.zeros(SWEEPS)
    for number, look in enumerate(LOOKS):
        fresh = look - (LOOKS[number - 1] if number else 0)
        still = ~closed
        runs += fresh * (still.sum(axis=1) + still.any(axis=1))
        now = found.p_value(t[..., : number + 1])
        p = np.where(closed, p, now)
        closed |= np.stack([holm(row) for row in p]) <= 0.05
    fixed = np.stack([holm(row) for row in 2 * stats.t.sf(np.abs(t[..., -1]), LOOKS[-1] - 1)]) <= 0.05
    null, real = truth == 0, truth != 0
    whole = (1 + STAGES) * LOOKS[-1]
    return {
        "wrong": float(closed[:, null].any(axis=1).sum()),
        "power": float(closed[:, real].mean()) if real.any() else np.nan,
        "fixed_power": float(fixed[:, real].mean()) if real.any() else np.nan,
        "saved": float(1 - runs.mean() / whole),
        "runs": float(runs.mean()),
        "whole": whole,
    }


def report() -> None:
    started = time.monotonic()
    rows, worst = [], 0.0
    for spending in SPENDING:
        for noise in NOISES:
            for number, (name, effects) in enumerate(EFFECTS.items()):
                if noise != "normal" and number not in (0, 4):
                    continue
                rows.append((spending, noise, name, simulate(effects, noise, spending, seed=number)))
    cells = []
    for spending, noise, name, row in rows:
        wrong, share = int(row["wrong"]), row["wrong"] / SWEEPS
        low, high = stats.binomtest(wrong, SWEEPS).proportion_ci(0.95, "exact")
        some_null = 0.0 in EFFECTS[name]
        worst = max(worst, share if some_null and noise == "normal" else 0.0)
        error = f"{100 * share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]" if some_null else "–"
        power = "–" if np.isnan(row["power"]) else f"{100 * row['power']:.0f} %"
        fixed = "–" if np.isnan(row["fixed_power"]) else f"{100 * row['fixed_power']:.0f} %"
        cells.append(
            f"| {spending.replace('_', ' ')} | {noise} | {name} | {error} | {row['runs']:.1f} of {row['whole']} | **{100 * row['saved']:.0f} %** | {power} | {fixed} |"
        )
    seconds = time.monotonic() - started
    versions = provenance()["versions"]
    text = f"""# Seeds in rounds: is the error held, and what is saved?

`python results/calibration/sequential.py`: {SWEEPS:,} simulated sweeps per line, seven stages left out one at a time, seeds after each
round {list(LOOKS)}, decisions by Holm at 5 %. Took {seconds:.0f} s on one core; numpy {versions["numpy"]}, Python {provenance()["python"]}.

![Runs needed and error](sequential.png)

| spending | noise | true gains | family-wise error | runs, mean | saved | found | found by a fixed design |
| :-- | :-- | :-- | --: | --: | --: | --: | --: |
{chr(10).join(cells)}

- **The error is held over all looks**: at most {100 * worst:.1f} % of sweeps with normal noise claim an effect that is not there; the bound is 5 %.
  Contrasts share the control arm, so Holm is on the safe side.
- **Large effects are cheap, small ones cost what they did**: effects of 6 sd close in the first rounds; a stage without an effect keeps
  its arm to the last seed unless `sequential.negligible` says what is too small to matter.
- Pocock's spending stops earlier; O'Brien and Fleming's keeps nearly the power of the fixed design.
- `found by a fixed design` has all 8 seeds and a plain t test with Holm.

## Once with trained runs

[`sequential_example/REPORT.md`](sequential_example/REPORT.md), on a small testbed (3,000 pages, 120,000 tokens a run):

```
ablate sweep study=demo study.name=rounds pool.world.pages=3000 train.tokens=120_000 'train.evaluations=[1.0]' \\
  'design.factors=[extraction,language,gopher_repetition,fineweb_quality]' \\
  'seeds=[0,1,2,3,4,5,6,7]' 'sequential.looks=[3,5,8]'
```

32 of 40 runs were done (29 trained; an arm with the same texts is the same run), in five minutes on one shared core. `fineweb_quality`
changed nothing and was closed after round 1, `language` was decided after round 2 with 5 seeds, and the other two had all 8.
"""
    (HERE / "sequential.md").write_text(text, encoding="utf-8")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        normal = [(s, name, row) for s, noise, name, row in rows if noise == "normal"]
        names = list(EFFECTS)
        for shift, (spending, colour) in enumerate(zip(SPENDING, (INK, HELPS), strict=True)):
            mine = {name: row for s, name, row in normal if s == spending}
            places = np.arange(len(names)) + 0.36 * (shift - 0.5)
            left.barh(
                places,
                [mine[name]["runs"] for name in names],
                height=0.34,
                color=colour,
                label=spending.replace("_", " "),
            )
            for place, name in zip(places, names, strict=True):
                if 0.0 not in EFFECTS[name]:
                    continue
                wrong = int(mine[name]["wrong"])
                low, high = stats.binomtest(wrong, SWEEPS).proportion_ci(0.95, "exact")
                right.plot([100 * low, 100 * high], [place] * 2, color=colour, linewidth=2)
                right.plot(100 * wrong / SWEEPS, place, "o", color=colour)
        left.axvline(64, color=NONE, linestyle=(0, (3, 2)))
        left.text(63, -0.62, "fixed design: 64", ha="right", fontsize=8.5, color=INK)
        left.set_yticks(range(len(names)), names)
        left.set_ylim(len(names) - 0.5, -0.8)
        left.set_xlabel("runs, mean over 2,000 sweeps")
        figure.legend(frameon=False, fontsize=9, loc="outside lower center", ncols=2)
        left.set_title("Runs needed")
        right.axvline(5, color=HURTS, linestyle=(0, (3, 2)))
        right.set_yticks(range(len(names)), [""] * len(names))
        right.set_ylim(len(names) - 0.5, -0.8)
        right.set_xlim(0, 6.5)
        right.set_xlabel("sweeps with a wrong claim, %; 95 % intervals")
        right.set_title("Error over all looks; dashed: the bound")
        for axis in (left, right):
            axis.grid(axis="x", color=PALE, linewidth=0.6)
            axis.set_axisbelow(True)
            axis.tick_params(axis="y", length=0)
        figure.savefig(HERE / "sequential.png", dpi=140, metadata={"Software": None})


if __name__ == "__main__":
    report()
