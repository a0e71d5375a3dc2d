/** What a filter reads of a record. */
export interface FilterRecord {
  readonly id: string;
  readonly type?: string | undefined;
  readonly domain?: string | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * Says which records to keep: `{ price: { $lt: 20 }, "maker.country": "DE" }`.
 *
 * With a metadata type, top-level fields and the operands of their operators are checked; dotted
 * paths are accepted as they are. Exact semantics: `docs/guide/filters.md`.
 */
export type Filter<Metadata = Record<string, unknown>> = string extends keyof Metadata
  ? AnyFilter
  : TypedFilter<Metadata>;

interface AnyFilter extends Logic<AnyFilter> {
  readonly [path: string]: unknown;
}

type TypedFilter<Metadata> = {
  readonly [Field in Exclude<keyof Metadata & string, "id" | "type" | "domain">]?: Condition<
    Exclude<Metadata[Field], undefined>
  >;
} & {
  readonly id?: Condition<string>;
  readonly type?: Condition<string>;
  readonly domain?: Condition<string>;
} & { readonly [path: `${string}.${string}`]: unknown } & Logic<Filter<Metadata>>;

interface Logic<Inner> {
  /** Every one of these filters matches. */
  readonly $and?: readonly Inner[];
  /** At least one of these filters matches. */
  readonly $or?: readonly Inner[];
  /** This filter does not match. */
  readonly $not?: Inner;
}

/** A value to be equal to, or operators that must all hold. */
export type Condition<Value> = unknown extends Value ? unknown : Operand<Value> | Operators<Value>;

/** A `Date` stands for its ISO string and for its milliseconds since 1970. */
type Operand<Value> = Value | (Extract<Value, string | number> extends never ? never : Date);

type Ordered<Value> = Operand<Extract<Value, string | number>>;

type Part<Value> = Value extends readonly (infer Element)[]
  ? Element
  : Value extends string
    ? string
    : never;

/** The operators of one field. All that are given must hold. */
export interface Operators<Value> {
  readonly $eq?: Operand<Value>;
  /** Also matches records without the field. */
  readonly $ne?: Operand<Value>;
  readonly $gt?: Ordered<Value>;
  readonly $gte?: Ordered<Value>;
  readonly $lt?: Ordered<Value>;
  readonly $lte?: Ordered<Value>;
  /** Equal to one of at most 10,000 values. */
  readonly $in?: readonly Operand<Value>[];
  /** Also matches records without the field. */
  readonly $nin?: readonly Operand<Value>[];
  readonly $exists?: boolean;
  /** An array has this element, or a string this substring. */
  readonly $contains?: Part<Value>;
  readonly $containsAny?: readonly Part<Value>[];
  readonly $containsAll?: readonly Part<Value>[];
  readonly $startsWith?: Extract<Value, string> extends never ? never : string;
}
