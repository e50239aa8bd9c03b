
"use strict";

// How things are shown. What the service says goes in as text alone: no markup is ever made of it.

const byId = (id) => document.getElementById(id);

/** A new element; attributes whose value is null are left out, strings among the children become text. */
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Say `text` in a place; nothing is touched, and nothing read out again, where it says so already. */
function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/**
 * Make a table's rows those of `items`, touching only what differs, so that focus, selection and scroll stay.
 * A column is {said: item → text, show?: item → nodes, header?, number?}; a cell is made anew when its text differs.
 * False where the focus was in a row that is gone.
 */
function fill(table, items, keyOf, columns) {
  const body = table.tBodies[0];
  const labels = table.tHead ? [...table.tHead.rows[0].cells].map((cell) => cell.textContent) : [];
  const wanted = new Set(items.map(keyOf));
  const rows = new Map();
  let focusStays = true;
  for (const row of [...body.rows]) {
    if (wanted.has(row.dataset.key)) {
      rows.set(row.dataset.key, row);
    } else {
      focusStays &&= !row.contains(document.activeElement);
      row.remove();
    }
  }
  let next = body.firstElementChild;
  for (const item of items) {
    const row = rows.get(keyOf(item)) ?? emptyRow(keyOf(item), columns, labels);
    columns.forEach((column, index) => fillCell(row.cells[index], item, column));
    if (row === next) next = row.nextElementSibling;
    else body.insertBefore(row, next);
  }
  return focusStays;
}

function emptyRow(key, columns, labels) {
  const cells = columns.map((column, index) => {
    const shared = { "data-label": labels[index] ?? null, class: column.number ? "number" : null };
    return column.header
      ? element("th", { scope: "row", role: "rowheader", ...shared })
      : element("td", { role: "cell", ...shared });
  });
  const row = element("tr", { role: "row" }, ...cells);
  row.dataset.key = key;
  return row;
}

function fillCell(cell, item, column) {
  const said = column.said(item);
  if (cell.said === said) return;
  cell.said = said;
  cell.replaceChildren(...(column.show ? column.show(item) : [said]));
}

/** A state by its name; the colour only repeats it. */
function stateOf(name) {
  return element("span", { class: `state ${TONES.get(name) ?? ""}` }, name);
}

const TONES = new Map(Object.entries({
  SUCCESS: "good", FAILED: "bad", PARTIAL: "warn", QUARANTINED: "warn", CANCELING: "warn",
  ACCEPTED: "busy", SUBMITTING: "busy", RUNNING: "busy", CLAIMED: "busy",
}));

/** `2026-03-10 12:00:05`; the service's times are UTC. */
function moment(iso) {
  return iso ? iso.slice(0, 19).replace("T", " ") : "";
}

function timeOf(iso) {
  return element("time", { datetime: iso, class: "once" }, moment(iso));
}

/** Seconds as a person says them. */
function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [minutes, hours, days] = [Math.floor(whole / 60), Math.floor(whole / 3600), Math.floor(whole / 86400)];
  if (minutes === 0) return `${whole} s`;
  if (hours === 0) return `${minutes} min ${whole % 60} s`;
  if (days === 0) return `${hours} h ${minutes % 60} min`;
  return `${days} d ${hours % 24} h`;
}

function count(number) {
  return number === null || number === undefined ? "" : number.toLocaleString("en");
}

/** A name that others chose, kept apart from the direction of the text around it. */
function named(text) {
  return element("bdi", {}, text);
}

/** A link out of the page where the address is one of the web, else its text. */
function outside(address, text) {
  let url = null;
  try {
    url = new URL(address);
  } catch {
    // no address at all
  }
  if (url === null || !["https:", "http:"].includes(url.protocol)) return named(address);
  return element("a", { href: url.href, rel: "noopener noreferrer", target: "_blank" }, text);
}

function toLoad(id, text) {
  return element("a", { href: addressOf("load", { id }) }, text);
}
