"""Reads vectors that run embed wrote into LanceDB and FAISS, and fails where they find others
than the exact neighbours.

    python stores.py FILE.parquet FOLDER
"""
import sys
import faiss, lancedb, numpy as np, pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq

table = pq.read_table(sys.argv[1])
kind = table.schema.field("vector").type
assert pa.types.is_fixed_size_list(kind) and kind.value_type in (pa.float16(), pa.float32()), kind
assert pc.all(pc.equal(pc.is_null(table["vector"]), pc.is_valid(table["error"]))).as_py()
table = table.filter(pc.is_null(table["error"]))
vectors = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1).astype("f4")
assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=2e-3)
queries = np.random.default_rng(1).permutation(len(vectors))[:100]
exact = np.argsort(-vectors[queries] @ vectors.T, axis=1, kind="stable")[:, :10]

def check(name, found, least=0.95):
    recall = np.mean([len(set(f) & set(e)) / 10 for f, e in zip(found, exact)])
    print(f"{name}: recall at 10 {recall:.3f} of {len(vectors)} rows of {kind}")
    assert recall >= least, name

graph = faiss.IndexHNSWFlat(vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
graph.hnsw.efConstruction, graph.hnsw.efSearch = 200, 200
graph.add(vectors)
check("FAISS, HNSW", graph.search(vectors[queries], 10)[1])

db = lancedb.connect(sys.argv[2])
rows = db.create_table("pictures", table.append_column("row", pa.array(range(len(table)), pa.int64())))
assert rows.count_rows() == len(vectors)
search = lambda q: rows.search(q, vector_column_name="vector").distance_type("cosine").limit(10)
check("LanceDB, exact", [[r["row"] for r in search(vectors[q]).to_list()] for q in queries], 0.99)
if len(vectors) >= 256:
    rows.create_index(metric="cosine", vector_column_name="vector", index_type="IVF_HNSW_SQ", num_partitions=1)
    check("LanceDB, IVF_HNSW_SQ", [[r["row"] for r in search(vectors[q]).ef(200).nprobes(1).to_list()] for q in queries])
