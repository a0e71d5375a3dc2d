/** What can be planted, by name. */
export const DEFECTS: Readonly<Record<string, { readonly what: string }>>;

/** Names and new texts of the files of a built package that a defect changes. */
export function patchedFiles(options: {
  readonly dist: string;
  readonly name: string;
}): readonly (readonly [file: string, text: string])[];
