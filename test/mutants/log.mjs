// Mistakes in appending: docs/specs/log.md and docs/specs/conditional-writes.md.

const LOG_WRITER = "src/engine/log-writer.ts";
const CREATE_ONCE = "src/engine/create-once.ts";
const HYBRID_CLOCK = "src/engine/hybrid-clock.ts";

/** @type {import("./mutant.mjs").Mutant[]} */
export const LOG_MUTANTS = [
  {
    name: "acknowledged-while-on-its-way",
    file: LOG_WRITER,
    find: "const outcome = await creation;",
    replace: "this.#show(prepared);\n      const outcome = await creation;",
    story: "a write is acknowledged when it has been sent, since stores are reliable",
    breaks: "W1",
    seedsMax: 3,
  },
  {
    name: "own-bytes-mean-lost",
    file: CREATE_ONCE,
    find: 'if (!equalBytes(found.bytes, bytes)) return { kind: "lost", found: found.bytes };',
    replace: 'return { kind: "lost", found: found.bytes };',
    story: "a 412 says that somebody else was there first",
    breaks: "A1",
    seedsMax: 3,
  },
  {
    name: "nonce-is-not-compared",
    file: CREATE_ONCE,
    find: "if (!equalBytes(found.bytes, bytes))",
    replace: "if (found.bytes.byteLength !== bytes.byteLength)",
    story: "bytes of the same length at the own name are the own bytes",
    breaks: "A1",
    seedsMax: 3,
  },
  {
    name: "created-without-condition",
    file: CREATE_ONCE,
    find: "{ condition: { ifAbsent: true } }",
    replace: "{}",
    story: "names are fresh, so nothing can be there",
    breaks: "A1",
    seedsMax: 3,
  },
  {
    name: "own-writes-are-not-shown",
    file: LOG_WRITER,
    find: "const shown = this.#options.host.committed(lane, number, columns);",
    replace: "const shown = undefined;",
    story: "what was written is seen with the next catch-up",
    breaks: "W6",
    seedsMax: 5,
  },
  {
    name: "counter-starts-again",
    file: HYBRID_CLOCK,
    find: "let counter = this.#counter + 1;",
    replace: "let counter = this.#counter;",
    story: "the first version of a batch may be that of the last batch's last operation",
    breaks: "W1",
    seedsMax: 10,
  },
  {
    name: "given-back-is-appended-again",
    file: "src/engine/conditional-writer.ts",
    find: 'whenLaneEnds: "give-back"',
    replace: 'whenLaneEnds: "append-again"',
    story: "what met a seal goes into the next lane, decided as it is",
    breaks: "L3",
    seedsMax: 10,
  },
];
