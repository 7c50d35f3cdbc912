"""Texts by our sampler against transformers' `generate`, on the same model and one thread, in pairs within one run.

All texts have one length, so that `generate` loses nothing by its batches; it has batches of some sizes, and the best counts.

    OMP_NUM_THREADS=1 python results/benchmarks/sampler.py --pairs 5 --texts 512
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from ablate.evaluate.sampler import Sampler, row_seeds
from ablate.train.proxy import ProxyConfig, build_model

END, TOKENS = 0, 127


def by_transformers(model, texts: int, batch: int) -> int:
    """Draw with `generate`; returns how many tokens were drawn."""
    for first in range(0, texts, batch):
        ids = torch.full((min(batch, texts - first), 1), END)
        with torch.inference_mode():
            model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=TOKENS,
                min_new_tokens=TOKENS,
                do_sample=True,
                top_k=0,
                top_p=1.0,
                temperature=1.0,
                use_cache=True,
                pad_token_id=END,
                eos_token_id=None,
            )
    return texts * TOKENS


def by_us(model, texts: int) -> int:
    """The same with our sampler, the time to take the weights over included."""
    made = Sampler(model).sample([[END]] * texts, row_seeds(0, range(texts)), tokens=TOKENS, end=None)
    return sum(map(len, made))


def timed(draw) -> float:
    """Tokens per second of processor time, which what else runs on a machine moves less than that on a clock."""
    begin = time.process_time()
    return draw() / (time.process_time() - begin)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 64, 128, 256])
    asked = parser.parse_args()
    tiny = ProxyConfig(hidden_size=96, layers=2, heads=4, intermediate_size=256, context=128)
    model = build_model(tiny, 1024, 0).eval()
    ratios, ours, theirs = [], [], []
    for _ in range(asked.pairs):
        best = max(timed(lambda b=batch: by_transformers(model, asked.texts, b)) for batch in asked.batches)
        mine = timed(lambda: by_us(model, asked.texts))
        ratios.append(mine / best)
        ours.append(mine)
        theirs.append(best)
    print(
        f"ours {statistics.median(ours):,.0f} tokens per CPU-second, generate {statistics.median(theirs):,.0f}; ratio "
        f"{statistics.median(ratios):.2f} (of pairs: {', '.join(f'{ratio:.2f}' for ratio in ratios)})"
    )


if __name__ == "__main__":
    main()
