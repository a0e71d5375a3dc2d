/** Words so common in English text that sharing them says little about a subject. */
export const COMMON_WORDS: ReadonlySet<string> = new Set(
  (
    "a about above after all also an and any are as at be because been before being between both " +
    "but by can could did do does during each few for from had has have he her here him his how " +
    "i if in into is it its may me more most must my no nor not of off on only or other our out " +
    "over she should so some such than that the their them then there these they this those " +
    "through to too under up upon us very was we were what when where which while who why will " +
    "with would you your"
  ).split(" "),
);
