/** The table of event names. */
class Names {
  /** @param {(name: string) => void} onSelect called with the clicked name */
  constructor(onSelect) {
    this.onSelect = onSelect;
    /** @type {LiveLayout['counters']} */
    this.counters = [];
    this.table = byId('names');
  }

  /** @param {LiveLayout['counters']} counters */
  begin(counters) {
    this.counters = counters;
    const head = make('tr', '', make('th', '', 'Name'), ...counters.map(({ label }) => make('th', '', label)));
    for (const cell of head.children) cell.setAttribute('scope', 'col');
    this.table.querySelector('thead')?.replaceChildren(head);
  }

  /** @param {readonly LiveName[]} names */
  show(names) {
    byId('no-names').hidden = names.length > 0;
    const body = this.table.querySelector('tbody');
    const focused = document.activeElement?.closest('tbody') === body ? document.activeElement?.textContent : null;
    body?.replaceChildren(...names.map((name) => this.#row(name)));
    if (focused === null) return;
    for (const button of body?.querySelectorAll('button') ?? []) if (button.textContent === focused) button.focus();
  }

  /** @param {LiveName} name */
  #row({ name, counts }) {
    const button = make('button', '', visible(name));
    button.setAttribute('type', 'button');
    button.title = `Show only ${visible(name)}`;
    button.addEventListener('click', () => this.onSelect(name));
    const heading = make('th', '', button);
    heading.setAttribute('scope', 'row');
    const cells = this.counters.map(({ key }, index) => {
      const count = counts[key] ?? 0;
      const isLoss = index === this.counters.length - 1 && count > 0;
      return make('td', isLoss ? 'bad' : '', count === 0 ? '·' : countText(count));
    });
    return make('tr', '', heading, ...cells);
  }
}
