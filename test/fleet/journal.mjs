/*
 * What one process run did and saw, a line of JSON each, written so that a kill loses nothing:
 *
 *   { k: "start", n, t, op, ids, v }      about to write; ids take the values from `v` up
 *   { k: "end", n, t, ok, versions, code } its outcome; `versions` are pairs of id and version
 *   { k: "read", t0, t1, level, maxMs, what, seen }  what was seen; see `sightingOf`
 *   { k: "event", t, type, … }            of the database
 *
 * Times are of the monotonic clock of the machine, which all processes on it share.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { vectorOf } from "../support/crash-model.mjs";

/** Milliseconds of the machine's monotonic clock. */
export function monotonicMs() {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/** A journal to write to. */
export function openJournal(path) {
  return (line) => appendFileSync(path, `${JSON.stringify(line)}\n`);
}

/** The lines of a journal. The last one may have been cut off by a kill: then it never was. */
export function readJournal(path) {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/** A record as it was read: `[id, version, value, note, moved]`, or with a sixth element, what is wrong. */
export function sightingOf(record) {
  const { id, version, metadata, data, vector } = record;
  const { value, note, moved } = metadata;
  const sighting = [id, version, value, note ?? null, moved ?? null];
  const content = moved ?? value;
  if (data?.content !== content) sighting.push(`data ${JSON.stringify(data)}`);
  else if (!sameVector(vector, content)) sighting.push("the vector of another value");
  return sighting;
}

function sameVector(vector, content) {
  return vector !== undefined && vectorOf(content).every((component, i) => component === vector[i]);
}
