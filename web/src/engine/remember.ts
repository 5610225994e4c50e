/** A function that computes its answer to each question once. */
export function remembered<K, V>(compute: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    if (!known.has(key)) known.set(key, compute(key));
    return known.get(key) as V;
  };
}

export function once<V>(compute: () => V): () => V {
  const all = remembered<null, V>(compute);
  return () => all(null);
}
