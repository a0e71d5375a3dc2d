/** Rows of one segment as bits: asked once for every row that is looked at. */
export class RowSet {
  readonly #bits: Uint8Array;

  constructor(rowCount: number, rows: Iterable<number>) {
    this.#bits = new Uint8Array(Math.ceil(rowCount / 8));
    for (const row of rows) this.#bits[row >>> 3]! |= 1 << (row & 7);
  }

  has(row: number): boolean {
    return (this.#bits[row >>> 3]! & (1 << (row & 7))) !== 0;
  }
}
