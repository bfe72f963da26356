// The log of requests: live, filtered, each with its details.

import { get, remove } from "./api.js";
import { badge, byId, clockTime, element, part } from "./elements.js";

const MOST_ROWS = 500;
const rows = new Map();
let wanted = [];
let paused = false;
const missed = new Map();

const statusOf = (request) => (request.dropped ? "dropped" : request.status ?? "waiting");

function kindOf(request) {
  if (request.dropped || request.status >= 500) return "bad";
  if (request.status === null) return "open";
  return request.status >= 400 ? "warn" : "good";
}

function words(request) {
  const family = request.status === null ? "" : `${Math.floor(request.status / 100)}xx`;
  return [request.operation ?? "none", request.method, request.service, request.path, request.template, statusOf(request), family, request.fault, ...request.lies]
    .join(" ")
    .toLowerCase();
}

class Row {
  constructor(request) {
    this.time = element("td", { className: "time" });
    this.name = element("button", { type: "button", className: "open", "aria-expanded": "false", onclick: () => this.toggle() });
    this.path = element("span", { className: "path" });
    this.faults = element("span", { className: "faults" });
    this.status = element("td", { className: "number" });
    this.ms = element("td", { className: "number" });
    this.details = element("tr", { className: "details", hidden: true }, element("td", { colSpan: 4 }));
    this.line = element("tr", {}, this.time, element("td", {}, this.name, this.faults, this.path), this.status, this.ms);
    this.body = element("tbody", {}, this.line, this.details);
    this.body.row = this;
    this.show(request);
  }

  show(request) {
    this.request = request;
    this.words = words(request);
    this.time.textContent = clockTime(request.time);
    this.time.title = request.time;
    this.name.textContent = request.operation ?? "no such operation";
    this.path.textContent = `${request.method} /${request.service}${request.path}`;
    this.path.title = request.template ?? "";
    this.faults.replaceChildren(...[request.fault, ...request.lies].filter(Boolean).map((fault) => badge(fault, "fault")));
    this.status.replaceChildren(badge(statusOf(request), kindOf(request)));
    this.ms.textContent = request.ms === null ? "" : request.ms.toFixed(1);
    this.filter();
    if (!this.details.hidden) this.load();
  }

  filter() {
    this.body.hidden = !wanted.every((word) => this.words.includes(word));
  }

  toggle() {
    this.details.hidden = !this.details.hidden;
    this.name.setAttribute("aria-expanded", String(!this.details.hidden));
    if (!this.details.hidden) this.load();
  }

  async load() {
    const cell = this.details.firstChild;
    try {
      const told = await get(`/requests/${this.request.number}`);
      const query = told.query ? `?${told.query}` : "";
      cell.replaceChildren(
        part(`${told.method} /${told.service}${told.path}`, `${told.template ?? "no operation"}${query}`),
        part("Headers", Object.entries(told.headers).map(([name, value]) => `${name}: ${value}`).join("\n")),
        ...(told.body === "" ? [] : [part("Body", told.body)]),
        part(`Answer: ${statusOf(told)}`, told.answer === null ? "none" : told.answer === "" ? "empty" : told.answer),
      );
    } catch (error) {
      cell.replaceChildren(element("p", { className: "empty", textContent: error.message }));
    }
  }
}

function count() {
  const shown = [...rows.values()].filter((row) => !row.body.hidden).length;
  byId("requests-count").textContent = shown === rows.size ? String(rows.size) : `${shown} of ${rows.size}`;
  byId("log-empty").hidden = shown > 0;
  byId("log-empty").textContent = rows.size ? "No request has all of these words." : "Nothing has arrived yet.";
}

function place(request) {
  const row = rows.get(request.number);
  if (row) {
    row.show(request);
    return;
  }
  const made = new Row(request);
  rows.set(request.number, made);
  byId("log").tHead.after(made.body);
  while (rows.size > MOST_ROWS) {
    const [number, oldest] = rows.entries().next().value;
    oldest.body.remove();
    rows.delete(number);
  }
}

export function add(request) {
  if (paused) {
    missed.set(request.number, request);
    if (missed.size > MOST_ROWS) missed.delete(missed.keys().next().value);
    byId("pause").textContent = `Go on (${missed.size})`;
    return;
  }
  place(request);
  count();
}

/** Shows what the sandbox remembers, and returns the number of its last event. */
export async function load() {
  const told = await get(`/requests?limit=${MOST_ROWS}`);
  for (const row of rows.values()) row.body.remove();
  rows.clear();
  missed.clear();
  if (paused) byId("pause").textContent = "Go on";
  for (const request of told.requests) place(request);
  count();
  return told.last_event;
}

export function filter(text) {
  byId("filter").value = text;
  wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows.values()) row.filter();
  count();
}

function pause(button) {
  paused = !paused;
  button.setAttribute("aria-pressed", String(paused));
  button.textContent = paused ? "Go on" : "Pause";
  if (!paused) {
    for (const request of missed.values()) place(request);
    missed.clear();
    count();
  }
}

function move(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.matches("button.open")) return;
  const names = [...byId("log").querySelectorAll("tbody:not([hidden]) button.open")];
  names[names.indexOf(event.target) + step]?.focus();
  event.preventDefault();
}

export function start(attempt) {
  byId("filter").addEventListener("input", (event) => filter(event.target.value));
  byId("pause").addEventListener("click", (event) => pause(event.target));
  byId("forget").addEventListener("click", () => attempt(async () => {
    await remove("/requests");
    await load();
  }));
  byId("log").addEventListener("keydown", move);
}
