/** The table of event names. */
class Names {
  /** @param {(name: string) => void} onSelect called with the clicked name */
  constructor(onSelect) {
    this.onSelect = onSelect;
    /** @type {LiveLayout['counters']} */
    this.counters = [];
    this.table = byId('names');
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
  }

  /** @param {LiveLayout['counters']} counters */
  begin(counters) {
    this.counters = counters;
    this.rows = new Map();
    const head = make('tr', '', make('th', '', 'Name'), ...counters.map(({ label }) => make('th', '', label)));
    for (const cell of head.children) cell.setAttribute('scope', 'col');
    this.table.querySelector('thead')?.replaceChildren(head);
  }

  /** @param {readonly LiveName[]} names */
  show(names) {
    byId('no-names').hidden = names.length > 0;
    const body = this.table.querySelector('tbody');
    if (!body) return;
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    // A row that stays where it is is not replaced, which would lose a click that has begun.
    const rows = new Map(names.map((name) => [name.name, this.#row(name)]));
    this.rows = rows;
    [...rows.values()].forEach((row, index) => {
      if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
    });
    while (body.children.length > rows.size) body.lastElementChild?.remove();
    if (focused instanceof HTMLElement && focused.isConnected) focused.focus();
  }

  /** @param {LiveName} name */
  #row({ name, counts, isGroup }) {
    const row = this.rows.get(name) ?? make('tr', '', this.#heading(name, isGroup === true));
    const cells = this.counters.map(({ key }, index) => {
      const count = counts[key] ?? 0;
      const isLoss = index === this.counters.length - 1 && count > 0;
      return make('td', isLoss ? 'bad' : '', count === 0 ? '·' : countText(count));
    });
    while (row.children.length > 1) row.lastElementChild?.remove();
    row.append(...cells);
    return row;
  }

  /** @param {string} name @param {boolean} isGroup */
  #heading(name, isGroup) {
    const heading = make('th', '', isGroup ? make('span', 'quiet', name) : this.#button(name));
    heading.setAttribute('scope', 'row');
    return heading;
  }

  /** @param {string} name */
  #button(name) {
    const button = make('button', '', visible(name));
    button.setAttribute('type', 'button');
    button.title = `Show only ${visible(name)}`;
    button.addEventListener('click', () => this.onSelect(name));
    return button;
  }
}
