/** SVG charts of the last two minutes. */

const CHART_WIDTH = 119;
const CHART_HEIGHT = 60;

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 */
function makeSvg(tag, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/**
 * Rounds up to 1, 2 or 5 times a power of ten, so that the axis rarely changes.
 *
 * @param {number} value
 */
function roundUp(value) {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? value;
}

class Chart {
  /** @param {LiveChart} chart */
  constructor(chart) {
    this.chart = chart;
    /** @type {readonly LiveSample[]} */
    this.samples = [];
    /** X position of the pointer. @type {number | null} */
    this.pointed = null;
    this.value = make('output');
    this.top = make('span', 'top');
    this.ago = make('span', '', '2 min ago');
    this.svg = makeSvg('svg', {
      viewBox: `0 0 ${CHART_WIDTH} ${CHART_HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
    });
    this.area = makeSvg('path', { class: 'area' });
    this.lines = chart.series.map((_, index) => makeSvg('path', { class: index === 0 ? 'line' : 'line second' }));
    this.cursor = makeSvg('path', { class: 'cursor' });
    const grid = makeSvg('path', {
      class: 'grid',
      d: `M0 0H${CHART_WIDTH}M0 ${CHART_HEIGHT / 2}H${CHART_WIDTH}M0 ${CHART_HEIGHT}H${CHART_WIDTH}`,
    });
    this.svg.append(grid, this.area, ...[...this.lines].reverse(), this.cursor);
    const plot = make('div', 'plot', this.svg, this.top);
    plot.addEventListener('pointermove', (event) => {
      const { left, width } = plot.getBoundingClientRect();
      this.pointed = Math.round(((event.clientX - left) / width) * CHART_WIDTH);
      this.draw();
    });
    plot.addEventListener('pointerleave', () => {
      this.pointed = null;
      this.draw();
    });
    const legend = make('span', 'legend');
    if (chart.series.length > 1) for (const { label } of chart.series) legend.append(make('span', '', label));
    this.figure = make(
      'figure',
      'chart',
      make('figcaption', '', make('h2', '', chart.label), this.value),
      plot,
      make('div', 'axis', this.ago, legend, make('span', '', 'now')),
    );
  }

  /** @param {readonly LiveSample[]} samples */
  show(samples) {
    this.samples = samples;
    this.draw();
  }

  draw() {
    const { series, unit, label } = this.chart;
    const offset = CHART_WIDTH + 1 - this.samples.length;
    const values = series.map(({ key }) => this.samples.map((sample) => sample[key] ?? null));
    const highest = Math.max(0, ...values.flat().map((value) => value ?? 0));
    const top = roundUp(highest);
    const y = (/** @type {number} */ value) => CHART_HEIGHT - (value / top) * CHART_HEIGHT;
    values.forEach((line, index) => this.lines[index]?.setAttribute('d', pathOf(line, offset, y)));
    this.area.setAttribute('d', areaOf(values[0] ?? [], offset, y));
    this.top.textContent = measure(top, unit).join(unit === 'ms' ? ' ' : '');

    const place = this.pointed === null ? this.samples.length - 1 : this.pointed - offset;
    const isPointed = this.pointed !== null && this.samples[place] !== undefined;
    this.cursor.setAttribute('d', isPointed ? `M${this.pointed} 0V${CHART_HEIGHT}` : '');
    this.ago.textContent = isPointed ? `${this.samples.length - 1 - place} s ago` : '2 min ago';
    // A second without requests has no latency, so keep showing the last known value.
    const isHeld = unit === 'ms' && !isPointed;
    const read = (/** @type {(number | null)[]} */ line) =>
      (isHeld ? line.findLast((value) => value !== null) : line[place]) ?? null;
    this.value.replaceChildren(...this.#readings(values.map(read)));
    const summary = series.map(({ label: name }, index) => `${name} ${values[index]?.at(-1) ?? 'no value'}`);
    this.svg.setAttribute('aria-label', `${label}: now ${summary.join(', ')}; highest ${Math.round(highest)}`);
  }

  /** @param {(number | null)[]} readings */
  #readings(readings) {
    const [first = null, second = null] = readings;
    if (first === null) return ['–'];
    const [number, sign] = measure(first, this.chart.unit);
    const other =
      second === null ? '' : ` · ${measure(second, this.chart.unit)[0]} ${this.chart.series[1]?.label ?? ''}`;
    return [number, make('small', '', ` ${sign}${other}`)];
  }
}

/**
 * @param {(number | null)[]} line
 * @param {number} offset
 * @param {(value: number) => number} y
 */
function pathOf(line, offset, y) {
  return line
    .map((value, index) => {
      if (value === null) return '';
      const isFirst = (line[index - 1] ?? null) === null;
      const isAlone = isFirst && (line[index + 1] ?? null) === null;
      const point = `${index + offset} ${y(value).toFixed(1)}`;
      return isFirst ? `M${point}${isAlone ? 'h0.01' : ''}` : `L${point}`;
    })
    .join('');
}

/**
 * @param {(number | null)[]} line
 * @param {number} offset
 * @param {(value: number) => number} y
 */
function areaOf(line, offset, y) {
  if (line.length < 2) return '';
  const points = line.map((value, index) => `L${index + offset} ${y(value ?? 0).toFixed(1)}`);
  return `M${offset} ${CHART_HEIGHT}${points.join('')}L${line.length - 1 + offset} ${CHART_HEIGHT}Z`;
}
