import type { Draw } from "./draw.ts";

/*
 * Changes of JSON documents: of their values, of their shape, and of the text itself.
 */

/** Strings that something may take for more than text. */
export const NASTY_TEXTS = [
  "",
  " ",
  "__proto__",
  "constructor",
  "toString",
  "null",
  "0",
  "-1",
  "NaN",
  "../../etc",
  "a/b",
  "\u0000",
  "\ud800",
  "ß🐻\u2028",
  "000000000000-000000-00000000000000000000000000",
  "ffffffffffff-ffffff-ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
  "01JCZ0M3V8Q6T4R2W0Y9X7S5P3",
  "2024-11-19T07:06:40.000Z",
  "9999-99-99T99:99:99.999Z",
  "0-999999999",
  "9007199254740993",
  "x".repeat(300),
] as const;

const NASTY_NUMBERS = [
  0,
  -0,
  1,
  -1,
  2,
  1.5,
  -1.5,
  1e-320,
  1e308,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  2 ** 53 - 1,
  -(2 ** 53),
  999_999_999_999,
  1e21,
];

/** Where a value is: what holds it, and under which key. */
interface Place {
  readonly holder: Record<string, unknown> | unknown[];
  readonly key: string;
}

/** A value of any type. */
export function anyJson(draw: Draw, depth = 2): unknown {
  return draw.one<unknown>(
    [3, () => draw.pick(NASTY_TEXTS)],
    [3, () => draw.pick(NASTY_NUMBERS)],
    [2, () => draw.pick([null, true, false])],
    [depth, () => draw.list(draw.below(4), () => anyJson(draw, depth - 1))],
    [depth, () => anyObject(draw, depth)],
    [0.3, () => nested(draw.pick([5, 33, 70, 200]), draw)],
  );
}

function anyObject(draw: Draw, depth: number): unknown {
  const object = {};
  for (let left = draw.below(4); left > 0; left--) {
    define(object, draw.pick([...NASTY_TEXTS, "a", "b.c"]), anyJson(draw, depth - 1));
  }
  return object;
}

function nested(depth: number, draw: Draw): unknown {
  const isList = draw.chance(0.5);
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = isList ? [value] : { k: value };
  return value;
}

/** As `JSON.parse` does it: `__proto__` is a key like any other. */
function define(object: object, key: string, value: unknown): void {
  const flags = { configurable: true, enumerable: true, writable: true };
  Object.defineProperty(object, key, { ...flags, value });
}

/** A copy with one to three changes; `other` is what parts may be taken from. */
export function mutateJson(value: unknown, draw: Draw, other: unknown = value): unknown {
  const root = { value: structuredClone(value) };
  for (let left = draw.between(1, 3); left > 0; left--) changeOne(root, draw, other);
  return root.value;
}

function changeOne(root: { value: unknown }, draw: Draw, other: unknown): void {
  if (!("value" in root)) Object.assign(root, { value: {} });
  const places = placesOf(root);
  const place = draw.pick(places);
  const { holder, key } = place;
  const current = (holder as Record<string, unknown>)[key];
  const set = (value: unknown): void => {
    if (Array.isArray(holder)) holder[Number(key)] = value;
    else define(holder, key, value);
  };
  draw.one<void>(
    [4, () => set(near(current, draw))],
    [3, () => set(anyJson(draw))],
    [2, () => remove(place)],
    [2, () => add(current, draw)],
    [2, () => set(structuredClone(valueAt(draw.pick(placesOf({ other })))))],
    [1, () => set(structuredClone(valueAt(draw.pick(places))))],
    [1, () => rename(place, draw)],
  );
}

function valueAt({ holder, key }: Place): unknown {
  return (holder as Record<string, unknown>)[key];
}

function placesOf(root: object): Place[] {
  const places: Place[] = [];
  const open: object[] = [root];
  for (let holder = open.pop(); holder !== undefined; holder = open.pop()) {
    for (const [key, value] of Object.entries(holder)) {
      places.push({ holder: holder as Record<string, unknown>, key });
      if (typeof value === "object" && value !== null) open.push(value);
    }
  }
  return places;
}

/** A value that is almost the same. */
function near(value: unknown, draw: Draw): unknown {
  if (typeof value === "number") {
    return draw.chance(0.6) ? value + draw.pick([-1, 1, 0.5, 1_000]) : draw.pick(NASTY_NUMBERS);
  }
  if (typeof value === "boolean") return !value;
  if (typeof value === "string" && value !== "") {
    const at = draw.below(value.length);
    const letter = draw.pick(Array.from(`0123456789abcdefABCDEFZ-_./ \u0000ä${value[at]}`));
    return draw.one<string>(
      [3, () => value.slice(0, at) + letter + value.slice(at + 1)],
      [1, () => value.slice(0, at)],
      [1, () => value + letter],
      [1, () => value + value],
      [1, () => draw.pick(NASTY_TEXTS)],
    );
  }
  if (Array.isArray(value) && value.length > 0) {
    return draw.one<unknown>(
      [1, () => [...value, structuredClone(draw.pick(value))]],
      [1, () => value.toReversed()],
      [1, () => value.slice(1)],
      [1, () => Array.from({ length: 200 }, () => structuredClone(value[0]))],
    );
  }
  return anyJson(draw);
}

function remove({ holder, key }: Place): void {
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else Reflect.deleteProperty(holder, key);
}

function add(target: unknown, draw: Draw): void {
  if (Array.isArray(target)) target.push(anyJson(draw));
  else if (typeof target === "object" && target !== null) {
    define(target, draw.pick(NASTY_TEXTS), anyJson(draw));
  }
}

function rename(place: Place, draw: Draw): void {
  const { holder } = place;
  if (Array.isArray(holder)) return;
  const value = valueAt(place);
  remove(place);
  define(holder, draw.pick(NASTY_TEXTS), value);
}

/** JSON text that no writer of ours makes, or that is none. */
export function mutateText(text: string, draw: Draw): string {
  const at = draw.below(text.length);
  const depth = draw.pick([64, 64, 1_000, 1_000, 20_000]);
  return draw.one<string>(
    [2, () => text.slice(0, at) + text.slice(at + draw.between(1, 20))],
    [
      2,
      () => text.slice(0, at) + draw.pick(Array.from('{}[],:"\\ \n\t-0e9\ufeff')) + text.slice(at),
    ],
    [1, () => text.replace("{", '{"__proto__":{"polluted":1},')],
    [1, () => text.replace("{", '{"constructor":{"prototype":{"polluted":1}},')],
    [1, () => text.replace(/\d+/, draw.pick(["1e999", "-0", "0".repeat(400), "9".repeat(400)]))],
    [1, () => text.replace("{", `{"deep":${"[".repeat(depth)}${"]".repeat(depth)},`)],
    [1, () => text.replace("{", `{"deep":${'{"d":'.repeat(depth)}1${"}".repeat(depth)},`)],
    [1, () => "[".repeat(depth)],
    [1, () => `\ufeff${text}`],
    [1, () => text + text],
    [1, () => text.replaceAll(/\s+/g, "")],
    [1, () => JSON.stringify(anyJson(draw))],
  );
}
