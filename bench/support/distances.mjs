/** -2 a·b of a vector and some rows: for unit vectors in the order of cosine distance. */
export function distancesTo(query, rows, which) {
  const dimension = query.length;
  return which.map((row) => {
    let product = 0;
    for (let i = 0, at = row * dimension; i < dimension; i++) product += query[i] * rows[at + i];
    return -2 * product;
  });
}
