declare const brand: unique symbol;

/** A `T` that only the module declaring `Name` can make, so that two ids cannot be swapped. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
