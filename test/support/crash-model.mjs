/*
 * What a crashing writer does to records, and what a reader may then find. Shared by the process
 * that writes and the one that judges, so that both mean the same by an operation.
 */

export const DIMENSIONS = 16;

/** Every value has a vector of its own, so that a vector of another value shows. */
export function vectorOf(value) {
  const vector = new Float32Array(DIMENSIONS);
  for (let i = 0; i < DIMENSIONS; i++) vector[i] = Math.sin(value * 12.9898 + i * 78.233);
  return vector;
}

/** The record after an operation: plain JSON, `undefined` where there is none. */
export function fold(record, { kind, value, version }) {
  if (kind === "delete") return undefined;
  if (kind === "put") return { metadata: { value }, content: value, version };
  // A patch of nothing has no effect.
  if (record === undefined) return undefined;
  if (kind === "patch")
    return { ...record, metadata: { ...record.metadata, note: value }, version };
  const metadata = { ...record.metadata, moved: value };
  return { metadata, content: value, version };
}

/** Whether a record that was read is this one, vector and, where it is known, version included. */
export function isRecord(expected, found) {
  if (expected === undefined || found === undefined) return expected === found;
  const { value, note, moved } = expected.metadata;
  return (
    found.metadata.value === value &&
    found.metadata.note === note &&
    found.metadata.moved === moved &&
    found.data.content === expected.content &&
    (expected.version === undefined || found.version === expected.version) &&
    vectorOf(expected.content).every((component, i) => component === found.vector[i])
  );
}

/** A record as it was read, in the shape of `fold`. */
export function recordOf({ metadata, data, version }) {
  return { metadata: { ...metadata }, content: data.content, version };
}

/**
 * A journal has a line before each operation, `start <number> <kind> <value> <id,id,…>`, whose
 * ids take the values from `value` up, and after it `ack <number> [version]` or `error …`.
 * The last line may be cut off by the kill; a start that was cut off had not been started.
 */
export function readJournal(text) {
  const operations = new Map();
  const notes = [];
  const lines = text.split("\n");
  for (const line of lines.slice(0, -1)) {
    const [word, number, ...rest] = line.split(" ");
    if (word === "start") {
      const [kind, value, ids] = rest;
      operations.set(number, { kind, value: Number(value), ids: ids.split(","), isAcked: false });
    } else if (word === "ack") {
      const operation = operations.get(number);
      operation.isAcked = true;
      operation.version = rest[0];
    } else notes.push({ word, text: [number, ...rest].join(" ") });
  }
  return { operations: [...operations.values()], notes };
}

/** One operation on each of its ids. */
export function parts({ kind, value, ids, version }) {
  return ids.map((id, i) => ({ id, kind, value: value + i, version }));
}
