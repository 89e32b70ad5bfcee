/** All events that have a definition or were captured, and the view that lists them. */

/**
 * @typedef {object} Row
 * @property {HTMLDetailsElement} element
 * @property {HTMLElement[]} figures
 * @property {HTMLElement} drops
 *
 * @typedef {object} Figure
 * @property {string} label
 * @property {(usage: LiveUsage) => number} order
 * @property {(usage: LiveUsage) => string} text
 */

/** @type {Figure[]} */
const FIGURES = [
  { label: 'captured', order: ({ captured }) => captured, text: ({ captured }) => countText(captured) },
  { label: 'dropped', order: ({ dropped }) => dropped, text: ({ dropped }) => countText(dropped) },
  { label: 'size', order: ({ bytes }) => bytes, text: ({ bytes }) => bytesText(bytes) },
  {
    label: 'personless',
    order: ({ personlessShare: share }) => share ?? -1,
    text: ({ personlessShare: share }) => (share === null ? '–' : `${Math.round(share * 100)} %`),
  },
];

class Catalog {
  /**
   * @param {string} base path of the page
   * @param {{ select(event: string): void, loaded(): void }} handlers `select` is called with the event whose occurrences are wanted
   */
  constructor(base, handlers) {
    this.base = base;
    this.handlers = handlers;
    /** @type {Map<string, LiveDefinition>} */
    this.definitions = new Map();
    /** @type {Map<string, LiveUsage>} */
    this.usage = new Map();
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    this.search = '';
    /** Sorted by this figure; undefined: by name. @type {Figure | undefined} */
    this.order = undefined;
    /** The definitions that were last read. */
    this.version = '';
    this.isLoading = false;
    this.list = byId('definitions');
    const heads = [undefined, ...FIGURES].map((figure) => this.#head(figure));
    byId('catalog-heads').replaceChildren(...heads);
  }

  /**
   * Reads the definitions if there are others.
   *
   * @param {number} count of definitions on the server
   * @param {string} run of the server, which may have other definitions after a restart
   */
  async follow(count, run) {
    const version = `${run} ${count}`;
    if (version === this.version || this.isLoading) return;
    this.isLoading = true;
    try {
      const response = await fetch(`${this.base}/definitions`);
      const { definitions } = /** @type {LiveDefinitions} */ (await response.json());
      this.definitions = new Map(definitions.map((definition) => [definition.name, definition]));
      this.version = version;
      this.#draw();
      this.handlers.loaded();
    } catch {
      // The next message tries again.
    } finally {
      this.isLoading = false;
    }
  }

  /** @param {readonly LiveUsage[]} usage */
  show(usage) {
    this.usage = new Map(usage.map((one) => [one.name, one]));
    const isComplete = this.rows.size === new Set([...this.definitions.keys(), ...this.usage.keys()]).size;
    if (isComplete && usage.every(({ name }) => this.rows.has(name)))
      for (const name of this.rows.keys()) this.#fill(name);
    else this.#draw();
  }

  /** @param {LiveEvent} event @returns {LiveDefinition | undefined} */
  definitionOf({ name, definition }) {
    return this.definitions.get(definition ?? name);
  }

  /** @param {string} search in lower case */
  filter(search) {
    this.search = search;
    let shown = 0;
    for (const [name, { element }] of this.rows) {
      element.hidden = !searchText(name, this.definitions.get(name)).includes(search);
      if (!element.hidden) shown++;
    }
    const all = this.rows.size;
    const events = all === 1 ? '1 event' : `${countText(all)} events`;
    byId('catalog-shown').textContent = search === '' ? events : `${countText(shown)} of ${events}`;
    byId('catalog-hint').hidden = this.definitions.size > 0;
  }

  /** Moves the focus. @param {number} steps down the list */
  walk(steps) {
    const shown = [...this.rows.values()].flatMap(({ element }) => (element.hidden ? [] : [element]));
    const summaries = shown.map((element) => element.querySelector('summary'));
    const at = summaries.findIndex((summary) => summary === document.activeElement);
    summaries[at === -1 ? 0 : Math.max(0, Math.min(summaries.length - 1, at + steps))]?.focus();
  }

  #draw() {
    const opened = new Set([...this.rows].flatMap(([name, { element }]) => (element.open ? [name] : [])));
    const focused = [...this.rows].find(([, { element }]) => element.contains(document.activeElement))?.[0];
    const names = [...new Set([...this.definitions.keys(), ...this.usage.keys()])].sort(this.#compare);
    this.rows = new Map(names.map((name) => [name, this.#row(name)]));
    for (const [name, { element }] of this.rows) {
      this.#fill(name);
      element.open = opened.has(name);
    }
    this.list.replaceChildren(...[...this.rows.values()].map(({ element }) => element));
    if (focused !== undefined) this.rows.get(focused)?.element.querySelector('summary')?.focus();
    this.filter(this.search);
  }

  /** @param {string} one @param {string} other */
  #compare = (one, other) => {
    const [first, second] = [one, other].map((name) => {
      const usage = this.usage.get(name);
      return usage === undefined || this.order === undefined ? -1 : this.order.order(usage);
    });
    return (second ?? 0) - (first ?? 0) || (one < other ? -1 : 1);
  };

  /** @param {Figure | undefined} figure */
  #head(figure) {
    const button = make('button', '', sentence(figure?.label ?? 'name'));
    button.setAttribute('type', 'button');
    button.setAttribute('aria-pressed', String(this.order === figure));
    button.addEventListener('click', () => {
      this.order = figure;
      for (const head of byId('catalog-heads').children) head.setAttribute('aria-pressed', String(head === button));
      this.#draw();
    });
    return button;
  }

  /** @param {string} name @returns {Row} */
  #row(name) {
    const definition = this.definitions.get(name);
    const figures = FIGURES.map(() => make('b'));
    const summary = make(
      'summary',
      '',
      make('span', 'name', visible(name)),
      make('span', 'tags', ...this.#tags(name, definition)),
      make('span', 'about', visible(definition?.description ?? '')),
      make('span', 'owner', visible(definition?.owner ?? '')),
      ...FIGURES.map(({ label }, index) => make('span', 'figure', figures[index] ?? '', make('span', '', ` ${label}`))),
    );
    const button = make('button', '', 'Show its events');
    button.setAttribute('type', 'button');
    button.addEventListener('click', () => this.handlers.select(name));
    const drops = make('p', 'drops');
    const views = definition === undefined ? [] : definitionView(definition, []);
    const isGroup = this.usage.get(name)?.isGroup === true;
    const content = make('div', '', ...views, drops, ...(isGroup ? [] : [button]));
    const element = /** @type {HTMLDetailsElement} */ (make('details', 'definition', summary, content));
    return { element, figures, drops };
  }

  /** @param {string} name @param {LiveDefinition | undefined} definition */
  #tags(name, definition) {
    if (definition === undefined) {
      const isExempt = name.startsWith('$') || this.usage.get(name)?.isGroup === true;
      return isExempt ? [] : [tag('no definition', 'idle')];
    }
    const { deprecated, version, isListed, properties } = definition;
    return [
      ...(deprecated === null ? [] : [tag('deprecated', 'warn')]),
      ...(properties.some(({ isPersonal }) => isPersonal) ? [tag('pii', 'warn')] : []),
      ...(version === null ? [] : [tag(`version ${version}`, 'idle')]),
      ...(isListed ? [] : [tag('not in the catalog', 'idle')]),
    ];
  }

  /** Updates the counts of a row. @param {string} name */
  #fill(name) {
    const usage = this.usage.get(name);
    const row = this.rows.get(name);
    row?.figures.forEach((figure, index) => {
      figure.textContent = usage === undefined ? '·' : (FIGURES[index]?.text(usage) ?? '');
    });
    const drops = Object.entries(usage?.drops ?? {}).map(([reason, count]) => `${countText(count)} ${reason}`);
    if (row === undefined) return;
    row.drops.textContent = drops.length === 0 ? '' : `Dropped: ${visible(drops.join(', '))}`;
    row.drops.hidden = drops.length === 0;
    row.element.classList.toggle('unused', usage === undefined);
  }
}

/** @param {string} name @param {LiveDefinition | undefined} definition */
function searchText(name, definition) {
  if (definition === undefined) return `${name}\nno definition`.toLowerCase();
  const { description, owner, deprecated, properties } = definition;
  const texts = properties.map((property) => `${property.name} ${property.type} ${property.description ?? ''}`);
  const tags = [deprecated === null ? '' : 'deprecated', properties.some(({ isPersonal }) => isPersonal) ? 'pii' : ''];
  return [name, description, owner, deprecated, ...tags, ...texts].join('\n').toLowerCase();
}
