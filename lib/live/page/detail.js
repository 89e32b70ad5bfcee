/** One event: its errors if it has any, and its complete JSON. */

/** Length above which JSON is shown without colours, for speed. */
const MAX_COLOURED = 100_000;
/** Length above which JSON is cut for display. Copy still copies everything. */
const MAX_LAID_OUT = 300_000;

class Detail {
  /**
   * @param {string} base path of the page
   * @param {Catalog} catalog
   */
  constructor(base, catalog) {
    this.base = base;
    this.catalog = catalog;
    this.panel = byId('detail');
    /** @type {string | null} */
    this.id = null;
    /** @type {string | null} */
    this.text = null;
    /** The errors of the event. @type {Fields | undefined} */
    this.error = undefined;
    this.isPretty = true;
    /** Of events with errors. */
    this.isStack = true;
    this.definition = /** @type {HTMLDetailsElement} */ (byId('detail-definition'));
    /** Chosen by the user, or by the space that it leaves for the JSON. */
    this.isDefinitionOpen = matchMedia('(min-height: 900px), (min-height: 700px) and (max-width: 760px)').matches;
    this.definition.querySelector('summary')?.addEventListener('click', () => {
      this.isDefinitionOpen = !this.definition.open;
    });
    byId('stack-button').addEventListener('click', () => this.#choose(true, this.isPretty));
    byId('pretty').addEventListener('click', () => this.#choose(false, true));
    byId('raw').addEventListener('click', () => this.#choose(false, false));
    byId('copy').addEventListener('click', () => void this.#copy());
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  close() {
    this.panel.hidden = true;
    this.id = null;
    this.text = null;
    this.error = undefined;
  }

  /**
   * @param {LiveEvent} event
   * @param {LiveFate} fate
   */
  show(event, fate) {
    this.panel.hidden = false;
    byId('detail-name').textContent = visible(event.name);
    const badge = byId('detail-fate');
    badge.replaceChildren(
      fateBadge(event, fate),
      ...(event.note === '' ? [] : [make('span', '', ` ${visible(event.note)}`)]),
    );
    const facts = [
      ['distinct id', event.who === '' ? '–' : visible(event.who)],
      ['uuid', visible(event.id.replace(/\/.*$/, ''))],
      ['seen', new Date(event.at).toLocaleString()],
      ...(event.bytes > 0 ? [['size', bytesText(event.bytes)]] : []),
      ...(event.attempts > 0 ? [['sent', event.attempts === 1 ? 'once' : `${event.attempts} times`]] : []),
    ];
    byId('detail-facts').replaceChildren(
      ...facts.flatMap(([term = '', fact = '']) => [make('dt', '', term), make('dd', '', fact)]),
    );
    this.#drawDefinition(event);
    if (this.id === event.id) return;
    this.id = event.id;
    this.text = event.isCut ? null : event.text;
    this.#draw(event.isCut ? 'Loading …' : '');
    if (event.isCut) void this.#load(event);
  }

  /** @param {LiveEvent} event */
  async #load({ id, text }) {
    try {
      const response = await fetch(`${this.base}/event?id=${encodeURIComponent(id)}`);
      const { text: whole } = /** @type {LiveDetail} */ (await response.json());
      if (this.id !== id) return;
      this.text = whole ?? text;
      this.#draw(whole === null ? 'The rest is no longer available on the server.' : '');
    } catch {
      if (this.id !== id) return;
      this.text = text;
      this.#draw('The rest could not be loaded.');
    }
  }

  /**
   * @param {boolean} isStack chosen for events with errors; for others, and if false, the JSON is shown
   * @param {boolean} isPretty
   */
  #choose(isStack, isPretty) {
    // Without errors there is no such button, so the choice for events with errors stays.
    if (this.error !== undefined) this.isStack = isStack;
    this.isPretty = isPretty;
    this.#draw('');
  }

  /** @param {string} note */
  #draw(note) {
    this.error = errorOf(this.text ?? '');
    this.#drawFlags();
    const isStack = this.error !== undefined && this.isStack;
    byId('stack-button').hidden = this.error === undefined;
    byId('stack').hidden = !isStack;
    byId('json').hidden = isStack;
    byId('stack-button').setAttribute('aria-pressed', String(isStack));
    byId('pretty').setAttribute('aria-pressed', String(!isStack && this.isPretty));
    byId('raw').setAttribute('aria-pressed', String(!isStack && !this.isPretty));
    byId('stack').replaceChildren(...(this.error !== undefined && isStack ? stackView(this.error) : []));
    byId('stack').scrollTop = 0;
    const isShort = isStack ? false : this.#drawJson();
    byId('json-note').textContent =
      this.text === ''
        ? 'This event was never serialized, so there is no JSON.'
        : isShort
          ? 'Only the beginning is shown. Copy copies everything.'
          : note;
  }

  /** The definition of the event, and what breaks it. @param {LiveEvent} event */
  #drawDefinition(event) {
    const { problems = [], broken = [] } = event;
    byId('detail-problems').hidden = problems.length === 0;
    byId('detail-problems').replaceChildren(...problems.map((problem) => make('li', '', visible(sentence(problem)))));
    const definition = this.catalog.definitionOf(event);
    this.definition.hidden = definition === undefined;
    if (definition === undefined) return;
    if (this.id !== event.id) this.definition.open = this.isDefinitionOpen || broken.length > 0;
    const { description, owner, version, isListed } = definition;
    const facts = [
      ...(owner === null ? [] : [`owner: ${owner}`]),
      ...(version === null ? [] : [`version ${version}`]),
      ...(isListed ? [] : ['not in the catalog']),
    ];
    byId('detail-about').textContent = facts.map((fact) => ` · ${visible(fact)}`).join('');
    const about = description === null ? [] : [make('p', '', visible(description))];
    this.definition.querySelector('div')?.replaceChildren(...about, ...definitionView(definition, broken));
  }

  /** The flags that the event was decided by. */
  #drawFlags() {
    const flags = flagsOf(propertiesOf(this.text ?? '', false) ?? []);
    byId('detail-flags').hidden = flags.length === 0;
    byId('detail-flags').replaceChildren(
      ...flags.flatMap(([flag, value]) => [make('dt', '', visible(flag)), make('dd', '', visible(value))]),
    );
  }

  /** @returns {boolean} true if only the beginning is shown */
  #drawJson() {
    const json = byId('json');
    const text = this.isPretty ? prettyJson(this.text ?? '') : (this.text ?? '');
    const shown = text.slice(0, MAX_LAID_OUT);
    if (this.isPretty && shown.length <= MAX_COLOURED) json.replaceChildren(...coloured(shown));
    else json.textContent = visible(shown, true);
    return text.length > shown.length;
  }

  get #copied() {
    if (this.error !== undefined && this.isStack) return stackText(this.error);
    return this.isPretty ? prettyJson(this.text ?? '') : (this.text ?? '');
  }

  async #copy() {
    const button = byId('copy');
    try {
      await navigator.clipboard.writeText(this.#copied);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Copying failed';
    }
    setTimeout(() => (button.textContent = 'Copy'), 1500);
  }
}

/** @param {string} text */
function prettyJson(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** @param {string} text formatted JSON */
function coloured(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g)) {
    const [whole, string, colon] = match;
    if (match.index > end) parts.push(visible(text.slice(end, match.index), true));
    const kind = string === undefined ? 'other' : colon === undefined ? 'string' : 'key';
    parts.push(make('span', kind, visible(string ?? whole)), ...(colon === undefined ? [] : [colon]));
    end = match.index + whole.length;
  }
  parts.push(visible(text.slice(end), true));
  return parts;
}
