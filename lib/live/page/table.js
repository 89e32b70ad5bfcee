/** A table of the source, below that of the event names. */
class SideTable {
  /** @param {(search: string) => void} onSelect called with the search of the clicked row */
  constructor(onSelect) {
    this.onSelect = onSelect;
    this.section = byId('side-table');
    /** The content of the rows, which are replaced only when it changes. */
    this.shown = '';
  }

  /** @param {LiveTable | null} table */
  show(table) {
    this.section.hidden = table === null;
    if (table === null) return;
    const { title, text, tone, remedy, columns, rows } = table;
    byId('side-table-title').textContent = title;
    byId('side-table-text').textContent = visible(text);
    byId('side-table-text').dataset.tone = tone;
    byId('side-table-remedy').textContent = visible(remedy);
    byId('side-table-remedy').hidden = remedy === '';
    byId('side-table-rows').hidden = rows.length === 0;
    const content = JSON.stringify([columns, rows]);
    if (content === this.shown) return;
    this.shown = content;
    const head = make('tr', '', ...columns.map((column) => make('th', '', column)));
    for (const cell of head.children) cell.setAttribute('scope', 'col');
    byId('side-table-rows').querySelector('thead')?.replaceChildren(head);
    const focused = [...this.section.querySelectorAll('button')].indexOf(
      /** @type {HTMLButtonElement} */ (document.activeElement),
    );
    byId('side-table-rows')
      .querySelector('tbody')
      ?.replaceChildren(...rows.map((row) => this.#row(row)));
    if (focused >= 0) this.section.querySelectorAll('button')[focused]?.focus();
  }

  /** @param {LiveTable['rows'][number]} row */
  #row({ search, cells: [first = '', ...cells] }) {
    const heading = make(
      'th',
      '',
      search === null ? make('span', 'quiet', visible(String(first))) : this.#button(search, String(first)),
    );
    heading.setAttribute('scope', 'row');
    return make(
      'tr',
      '',
      heading,
      ...cells.map((cell) => make('td', '', visible(typeof cell === 'number' ? countText(cell) : cell))),
    );
  }

  /** @param {string} search @param {string} label */
  #button(search, label) {
    const button = make('button', '', visible(label));
    button.setAttribute('type', 'button');
    button.title = `Show only events with ${visible(search)}`;
    button.addEventListener('click', () => this.onSelect(search));
    return button;
  }
}
