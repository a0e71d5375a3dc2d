/** What can be planted, by name. */
export const DEFECTS: Readonly<Record<string, { readonly what: string }>>;

/** Makes a copy of a built package with a defect, and returns where it is. */
export function plant(options: {
  readonly dist: string;
  readonly folder: string;
  readonly name: string;
}): string;
