/**
 * Shared by the other scripts. Text from events is inserted as text, never as markup.
 *
 * @typedef {import('../messages.js').LiveEvent} LiveEvent
 * @typedef {import('../messages.js').LiveLayout} LiveLayout
 * @typedef {import('../messages.js').LiveFate} LiveFate
 * @typedef {import('../messages.js').LiveChart} LiveChart
 * @typedef {import('../messages.js').LiveName} LiveName
 * @typedef {import('../messages.js').LiveTable} LiveTable
 * @typedef {import('../messages.js').LiveSample} LiveSample
 * @typedef {import('../messages.js').LiveState} LiveState
 * @typedef {import('../messages.js').LiveSnapshot} LiveSnapshot
 * @typedef {import('../messages.js').LiveUpdate} LiveUpdate
 * @typedef {import('../messages.js').LiveDetail} LiveDetail
 * @typedef {import('../messages.js').LiveDefinition} LiveDefinition
 * @typedef {import('../messages.js').LiveDefinitions} LiveDefinitions
 * @typedef {import('../messages.js').LiveUsage} LiveUsage
 */

/** @param {string} id of an element in page.html */
function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`page.html has no #${id}`);
  return found;
}

/**
 * @param {string} tag
 * @param {string} [className]
 * @param {...(Node | string)} children
 */
function make(tag, className = '', ...children) {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...children);
  return element;
}

/**
 * Replaces invisible characters, and characters that reorder text, with their code.
 *
 * @param {string} text
 * @param {boolean} [keepsLines] keeps line breaks and tabs
 */
function visible(text, keepsLines = false) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    if (keepsLines && (character === '\n' || character === '\t')) return character;
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
  });
}

const wholeNumbers = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const shortNumbers = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** @param {number} value */
function countText(value) {
  return Math.abs(value) < 10_000 ? wholeNumbers.format(value) : shortNumbers.format(value);
}

/**
 * Returns the formatted number and its unit.
 *
 * @param {number} value
 * @param {LiveChart['unit']} unit
 * @returns {[string, string]}
 */
function measure(value, unit) {
  if (unit === 'rate') return [countText(value), '/s'];
  if (unit === 'count') return [countText(value), ''];
  if (value < 1000) return [value < 10 ? String(Math.round(value * 10) / 10) : countText(value), 'ms'];
  return [String(Math.round(value / 100) / 10), 's'];
}

/** @param {number} bytes */
function bytesText(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** @param {number} at epoch milliseconds */
function clockText(at) {
  return new Date(at).toTimeString().slice(0, 8);
}
