/** The definition of an event, as it is shown beside the event and in the catalog. */

/**
 * Everything except for its name, description and owner.
 *
 * @param {LiveDefinition} definition
 * @param {readonly string[]} broken paths of the properties that break it
 * @returns {HTMLElement[]}
 */
function definitionView({ deprecated, properties, note }, broken) {
  return [
    ...(deprecated === null ? [] : [make('p', 'deprecated', `Deprecated: ${visible(deprecated)}`)]),
    ...(properties.length === 0 ? [] : [propertiesTable(properties, broken)]),
    ...(note === null ? [] : [make('p', 'quiet', visible(sentence(note)))]),
    ...(properties.length === 0 && note === null ? [make('p', 'quiet', 'It has no properties.')] : []),
  ];
}

/**
 * @param {LiveDefinition['properties']} properties
 * @param {readonly string[]} broken
 */
function propertiesTable(properties, broken) {
  const head = make('tr', '', ...['Property', 'Type', ''].map((column) => make('th', '', column)));
  for (const cell of head.children) cell.setAttribute('scope', 'col');
  const rows = properties.map(({ name, type, isRequired, isPersonal, description }) => {
    const isBroken = broken.some((path) => path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`));
    const heading = make(
      'th',
      '',
      visible(name),
      ...(description === null ? [] : [make('span', 'about', visible(description))]),
    );
    heading.setAttribute('scope', 'row');
    return make(
      'tr',
      isBroken ? 'broken' : '',
      heading,
      make('td', 'type', visible(type)),
      make(
        'td',
        '',
        ...(isBroken ? [tag('invalid', 'bad')] : []),
        ...(isRequired ? [tag('required', 'idle')] : []),
        ...(isPersonal ? [tag('pii', 'warn')] : []),
      ),
    );
  });
  return make('table', 'properties', make('thead', '', head), make('tbody', '', ...rows));
}

/**
 * @param {string} text
 * @param {LiveFate['tone']} tone
 */
function tag(text, tone) {
  const element = make('span', 'tag', text);
  element.dataset.tone = tone;
  return element;
}

/** With a capital letter. @param {string} text */
function sentence(text) {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
