/** The errors of an `$exception` event, their stacks and the steps before them, as a person reads them. */

// Bounds for events of other clients.
const MAX_ERRORS = 50;
const MAX_FRAMES = 100;
const MAX_STEPS = 500;
const MAX_LINES = 25;
const MAX_LINE = 500;
/** Causes that are nested deeper are not indented further. */
const MAX_INDENT = 5;

/** @type {Record<string, string>} */
const RELATIONS = {
  cause: 'Caused by',
  member: 'One of its errors',
  inner: 'Thrown last',
  suppressed: 'Suppressed',
};

/**
 * @typedef {Record<string, unknown>} Fields
 * @typedef {{ readonly fields: Fields, readonly children: ErrorNode[] }} ErrorNode
 */

/** @param {unknown} value @returns {Fields} */
function fieldsOf(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? /** @type {Fields} */ (value) : {};
}

/** @param {unknown} value @returns {unknown[]} */
function itemsOf(value) {
  return Array.isArray(value) ? value : [];
}

/** @param {unknown} value as it is shown; empty if it is no text */
function textOf(value) {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/**
 * @param {string} text of an event as JSON, in which values may be hidden
 * @returns {Fields | undefined} its properties, if it has errors to show
 */
function errorOf(text) {
  try {
    const { event, properties } = JSON.parse(text);
    const list = itemsOf(fieldsOf(properties).$exception_list);
    return event === '$exception' && list.some((entry) => fieldsOf(entry).type !== undefined) ? properties : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The captured error, with its causes and members below it. Entries of clients that send no ids are causes of the one before.
 *
 * @param {Fields} properties
 * @returns {ErrorNode[]}
 */
function errorTree({ $exception_list: list }) {
  /** @type {ErrorNode[]} */
  const roots = [];
  /** @type {Map<unknown, ErrorNode>} */
  const byId = new Map();
  /** @type {ErrorNode | undefined} */
  let last;
  for (const entry of itemsOf(list).slice(0, MAX_ERRORS)) {
    const fields = fieldsOf(entry);
    const { exception_id: id, parent_id: parent } = fieldsOf(fields.mechanism);
    const node = { fields, children: [] };
    const above = byId.get(parent) ?? last;
    (above?.children ?? roots).push(node);
    if (id !== undefined) byId.set(id, node);
    last = node;
  }
  return roots;
}

/** @param {Fields} fields of an error @returns {Fields[]} the innermost call first */
function framesOf({ stacktrace }) {
  return itemsOf(fieldsOf(stacktrace).frames).map(fieldsOf).reverse().slice(0, MAX_FRAMES);
}

/** @param {Fields} frame */
function placeOf({ filename, lineno }) {
  return [textOf(filename), textOf(lineno)].filter((part) => part !== '').join(':');
}

/** @param {Fields} frame */
function functionOf({ function: name }) {
  return ['', '?'].includes(textOf(name)) ? 'anonymous' : textOf(name);
}

/** @param {Fields} properties as returned by `errorOf` */
function stackView(properties) {
  const { $exception_level: level, $exception_source: source } = properties;
  const { handled } = fieldsOf(fieldsOf(itemsOf(properties.$exception_list)[0]).mechanism);
  const facts = [
    textOf(level),
    ...(typeof handled === 'boolean' ? [handled ? 'handled' : 'unhandled'] : []),
    textOf(source),
  ].filter((fact) => fact !== '');
  return [
    ...(facts.length > 0 ? [make('p', 'quiet', visible(facts.join(' · ')))] : []),
    ...errorTree(properties).map((node) => errorView(node, 0)),
    ...stepsView(properties),
  ];
}

/** @param {ErrorNode} node @param {number} depth @returns {HTMLElement} */
function errorView({ fields, children }, depth) {
  const { source } = fieldsOf(fields.mechanism);
  const frames = framesOf(fields);
  const thrower = frames.find(({ in_app: isOwn }) => isOwn === true) ?? frames[0];
  const message = textOf(fields.value);
  return make(
    'section',
    depth > 0 && depth <= MAX_INDENT ? 'error nested' : 'error',
    ...(depth > 0 ? [make('p', 'quiet', RELATIONS[textOf(source)] ?? 'Caused by')] : []),
    make('h3', '', make('b', '', visible(textOf(fields.type))), message === '' ? '' : `: ${visible(message, true)}`),
    ...grouped(frames).map((group) => groupView(group, thrower)),
    ...children.map((child) => errorView(child, depth + 1)),
  );
}

/** Calls of the application one by one; those of packages and of Node.js between them together. @param {Fields[]} frames */
function grouped(frames) {
  /** @type {Fields[][]} */
  const groups = [];
  for (const frame of frames) {
    const last = groups.at(-1);
    if (frame.in_app !== true && last?.[0] !== undefined && last[0].in_app !== true) last.push(frame);
    else groups.push([frame]);
  }
  return groups;
}

/** @param {Fields[]} group @param {Fields | undefined} thrower shown with its source lines */
function groupView(group, thrower) {
  const views = group.map((frame) => frameView(frame, frame === thrower));
  if (views.length <= 1 || group.includes(thrower ?? {})) return make('div', 'frames', ...views);
  const summary = make('summary', 'quiet', `${views.length} calls of packages and Node.js`);
  return make('details', 'frames', summary, ...views);
}

/** @param {Fields} frame @param {boolean} isOpen */
function frameView(frame, isOpen) {
  const className = frame.in_app === true ? 'frame own' : 'frame';
  const call = [
    make('span', 'function', visible(functionOf(frame))),
    ' ',
    make('span', 'place', `(${visible(placeOf(frame))})`),
  ];
  if (typeof frame.context_line !== 'string') return make('div', className, ...call);
  const view = /** @type {HTMLDetailsElement} */ (
    make('details', className, make('summary', '', ...call), sourceView(frame))
  );
  view.open = isOpen;
  return view;
}

/** @param {Fields} frame */
function sourceView({ pre_context: before, context_line: line, post_context: after, lineno }) {
  const earlier = itemsOf(before).slice(-MAX_LINES);
  const lines = [...earlier, line, ...itemsOf(after).slice(0, MAX_LINES)].map(textOf);
  const indent = Math.min(...lines.filter((one) => one.trim() !== '').map((one) => one.search(/\S/)));
  const first = Number(lineno) - earlier.length;
  const code = make('code');
  lines.forEach((text, index) => {
    const number = Number.isFinite(first) ? String(first + index) : '';
    const shown = visible(text.slice(Number.isFinite(indent) ? indent : 0).slice(0, MAX_LINE), true);
    const isThrower = index === earlier.length;
    const row = make('span', isThrower ? 'line thrower' : 'line', make('span', 'number', number), `${shown}\n`);
    if (isThrower) row.setAttribute('aria-current', 'true');
    code.append(row);
  });
  const view = make('pre', 'source', code);
  view.tabIndex = 0;
  view.setAttribute('aria-label', 'Source lines');
  return view;
}

/** @param {Fields} properties */
function stepsView({ $exception_steps: steps }) {
  const views = itemsOf(steps)
    .slice(-MAX_STEPS)
    .map((step) => {
      const { $message: message, $timestamp: at, ...rest } = fieldsOf(step);
      const details = Object.entries(rest).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
      const time = make('time', '', visible(timeText(at)));
      const more = details.length === 0 ? [] : [make('span', 'more', visible(details.join('  ').slice(0, MAX_LINE)))];
      return make('li', '', time, make('span', '', visible(textOf(message))), ...more);
    });
  if (views.length === 0) return [];
  return [make('section', 'steps', make('h3', '', 'Steps before the error'), make('ol', '', ...views))];
}

/** @param {unknown} at */
function timeText(at) {
  const time = new Date(typeof at === 'number' ? at : textOf(at));
  if (Number.isNaN(time.getTime())) return textOf(at);
  return `${clockText(time.getTime())}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}

/** The errors as text, in the form of Node.js, to be copied. @param {Fields} properties */
function stackText(properties) {
  /** @type {(node: ErrorNode, indent: string) => string[]} */
  const linesOf = ({ fields, children }, indent) => {
    const { source } = fieldsOf(fields.mechanism);
    const relation = indent === '' ? '' : `[${textOf(source) || 'cause'}]: `;
    const calls = framesOf(fields).map((frame) => {
      const column = textOf(frame.colno) === '' ? '' : `:${textOf(frame.colno)}`;
      return `${indent}    at ${functionOf(frame)} (${placeOf(frame)}${column})`;
    });
    const head = `${indent}${relation}${textOf(fields.type)}: ${textOf(fields.value)}`;
    return [head, ...calls, ...children.flatMap((child) => linesOf(child, `${indent}  `))];
  };
  return errorTree(properties)
    .flatMap((node) => linesOf(node, ''))
    .join('\n');
}
