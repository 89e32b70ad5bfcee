/** The baseline: a store that forgets everything, at no cost. */
export const nothing = () => ({
  recover: async () => ({ events: [], warnings: [] }),
  append: () => undefined,
  remove: () => undefined,
  close: async () => undefined,
});
