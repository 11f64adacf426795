// What a visitor can look at: each run, and side by side those that take the same sources.

/** The views in the order of the tabs. */
export function viewsOf(runs) {
  const views = [];
  for (const run of runs) {
    const same = runs.filter(({ group }) => group === run.group);
    const names = same.map(({ name }) => name).join(", ");
    if (same.length > 1 && same[0] === run) {
      const label = same.length === runs.length ? "Side by side" : `Side by side: ${names}`;
      views.push({ label, title: names, runs: same });
    }
    views.push({ label: run.name, title: run.name, runs: [run] });
  }
  return views;
}

/** The address of what is expected for an example, if all runs of a view expect the same. */
export function targetOf({ runs }, example) {
  const [first] = runs;
  return runs.every(({ targets }) => targets === first.targets) ? first.examples[example]?.target : undefined;
}
