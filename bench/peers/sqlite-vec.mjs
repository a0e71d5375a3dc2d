/* sqlite-vec in SQLite: exact search, by its own native scan. */

export const name = "sqlite-vec";
export const variants = ["exact"];
export const knob = "none";
export const knobs = [0];

export async function open({ dimension, rows }) {
  const { default: Database } = await import("better-sqlite3");
  const { load } = await import("sqlite-vec");
  const database = new Database(":memory:");
  load(database);
  const column = `vector float[${dimension}] distance_metric=cosine`;
  database.exec(`create virtual table rows using vec0(${column})`);
  const insert = database.prepare("insert into rows(rowid, vector) values (?, ?)");
  const count = rows.length / dimension;
  const startedMs = performance.now();
  database.transaction(() => {
    for (let i = 0; i < count; i++) {
      insert.run(BigInt(i), rows.subarray(i * dimension, (i + 1) * dimension));
    }
  })();
  const buildSeconds = (performance.now() - startedMs) / 1_000;
  const select = database.prepare(
    "select rowid from rows where vector match ? and k = ? order by distance",
  );
  return {
    buildSeconds,
    setKnob() {},
    search: (query, k) => select.all(query, k).map(({ rowid }) => Number(rowid)),
    close: () => database.close(),
  };
}
