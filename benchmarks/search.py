"""Search over many vectors: exact beside one matrix-vector product, indexed beside exact.

    python -m benchmarks.search [--vectors 1000000] [--dimension 768] [--json FILE]

Two kinds of vectors: a mixture (20,000 centres, members at a fixed angle, so that the ten nearest
of a member share its centre) and plain random directions, where nothing is near anything.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from internvid.searching.index import IndexOptions, VectorIndex
from internvid.searching.vectors import VectorStore, search_exact

BATCH = 50_000


def mixture(vectors: int, dimension: int, centres: int, spread: float, seed: int = 0):
    """Batches of a mixture: unit centres plus noise of the given length, brought to unit length."""
    random = np.random.default_rng(seed)
    middle = random.standard_normal((centres, dimension), dtype=np.float32)
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    for start in range(0, vectors, BATCH):
        size = min(BATCH, vectors - start)
        noise = random.standard_normal((size, dimension), dtype=np.float32)
        noise *= spread / np.sqrt(dimension)
        owners = np.arange(start, start + size) % centres
        yield [f"{row:032x}" for row in range(start, start + size)], middle[owners] + noise


def scattered(vectors: int, dimension: int, seed: int = 0):
    """Batches of random directions."""
    random = np.random.default_rng(seed)
    for start in range(0, vectors, BATCH):
        size = min(BATCH, vectors - start)
        rows = random.standard_normal((size, dimension), dtype=np.float32)
        yield [f"{row:032x}" for row in range(start, start + size)], rows


def seconds_of(action) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def measure(store: VectorStore, queries: np.ndarray, options: IndexOptions, centres: int) -> dict:
    """Medians of paired timings, recall against exact search, and how often the ten nearest share
    one centre (of the mixture; by chance among random vectors)."""
    matrix = np.array(store.matrix)  # in memory, as after the first query
    held = VectorStore(store.folder)
    held.__dict__["matrix"] = matrix
    assert len(held.ids) == len(matrix)
    started = time.perf_counter()
    index = VectorIndex.build(held, options)
    built = time.perf_counter() - started
    products, exacts, indexed, truth, found = [], [], [], [], []
    for query in queries:
        products.append(seconds_of(lambda q=query: matrix @ q))
        exacts.append(seconds_of(lambda q=query: truth.append(search_exact(held, q[None], 10)[0])))
        indexed.append(seconds_of(lambda q=query: found.append(index.search(q[None], 10)[0])))
    recalls = [
        len({hit.clip_id for hit in true} & {hit.clip_id for hit in got}) / len(true)
        for true, got in zip(truth, found, strict=True)
    ]
    owners = [{int(hit.clip_id, 16) % centres for hit in true} for true in truth]
    ratio = statistics.median
    return {
        "vectors": len(matrix),
        "dimension": int(matrix.shape[1]),
        "groups": options.groups_for(len(matrix)),
        "probes": options.probes,
        "share_one_centre": round(sum(len(each) == 1 for each in owners) / len(owners), 3),
        "build_seconds": round(built, 1),
        "product_ms": round(ratio(products) * 1e3, 1),
        "exact_over_product": round(ratio(e / p for e, p in zip(exacts, products, strict=True)), 3),
        "indexed_ms": round(ratio(indexed) * 1e3, 2),
        "speedup_over_product": round(
            ratio(p / i for i, p in zip(indexed, products, strict=True)), 1
        ),
        "recall_at_10": round(float(np.mean(recalls)), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=768)
    parser.add_argument("--centres", type=int, default=20_000)
    parser.add_argument("--spread", type=float, default=0.6)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--probes", type=int, default=IndexOptions.probes)
    parser.add_argument("--kinds", default="mixture,random")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results = {}
    for kind in given.kinds.split(","):
        with tempfile.TemporaryDirectory() as folder:
            store = VectorStore(Path(folder))
            size = (given.vectors, given.dimension)
            batches = (
                mixture(*size, given.centres, given.spread)
                if kind == "mixture"
                else scattered(*size)
            )
            store.write(batches, given.dimension)
            random = np.random.default_rng(7)
            rows = random.choice(given.vectors, given.queries, replace=False)
            noise = random.standard_normal((given.queries, given.dimension), dtype=np.float32)
            queries = store.matrix[np.sort(rows)] + noise * (0.3 / np.sqrt(given.dimension))
            results[kind] = measure(
                store, queries.astype(np.float32), IndexOptions(probes=given.probes), given.centres
            )
            print(kind, json.dumps(results[kind]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
