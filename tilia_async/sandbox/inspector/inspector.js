// The page as a whole: its views, and the sandbox's events that bring them up to date.

import * as accounts from "./accounts.js";
import { get, listen, post } from "./api.js";
import * as clock from "./clock.js";
import { byId } from "./elements.js";
import * as faults from "./faults.js";
import * as money from "./money.js";
import * as notifications from "./notifications.js";
import * as requests from "./requests.js";

const PAUSE = 150;
const LOADERS = {
  accounts: accounts.load,
  invoices: money.loader("invoices"),
  escrows: money.loader("escrows"),
  payouts: money.loader("payouts"),
  notifications: notifications.load,
  faults: faults.load,
};
const tabs = [...document.querySelectorAll('[role="tab"]')];
const beside = matchMedia("(min-width: 70rem)");
let view = "";
let due = 0;
let source = null;

function complain(error) {
  byId("problem").hidden = !error;
  byId("problem").textContent = error ? error.message : "";
}

/** Does something, tells what went wrong, and looks at the sandbox anew. */
async function attempt(run) {
  try {
    await run();
    complain(null);
  } catch (error) {
    complain(error);
  }
  await refresh();
}

/** Loads the view that is seen, the faults (their number stands in the tab) and the clock. */
async function refresh() {
  due = 0;
  const shown = LOADERS[view] ?? (beside.matches ? LOADERS.accounts : null);
  const loaders = new Set([shown, faults.load, clock.load].filter(Boolean));
  try {
    await Promise.all([...loaders].map((load) => load()));
  } catch (error) {
    complain(error);
  }
}

/** Many events in a row are one look. */
function soon() {
  due ||= setTimeout(refresh, PAUSE);
}

function choose(name, { focus = false } = {}) {
  view = tabs.some((tab) => tab.getAttribute("aria-controls") === name) ? name : "requests";
  for (const tab of tabs) {
    const chosen = tab.getAttribute("aria-controls") === view;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen && focus) tab.focus();
  }
  document.body.dataset.view = view;
  if (location.hash !== `#${view}`) history.replaceState(null, "", `#${view}`);
  soon();
}

function showRequests(words) {
  requests.filter(words);
  if (!beside.matches) choose("requests");
  byId("filter").focus();
}

function onKey(event) {
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    if (!beside.matches) choose("requests");
    byId("filter").focus();
  }
  const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -tabs.length, End: tabs.length };
  if (event.target.getAttribute?.("role") === "tab" && event.key in steps) {
    const open = tabs.filter((tab) => tab.offsetParent !== null);
    const next = Math.max(0, Math.min(open.length - 1, open.indexOf(event.target) + steps[event.key]));
    choose(open[next].getAttribute("aria-controls"), { focus: true });
    event.preventDefault();
  }
}

/** Asks a second time before everything is gone. */
function onReset(button) {
  if (button.dataset.sure) {
    delete button.dataset.sure;
    button.textContent = "Reset";
    attempt(() => post("/reset"));
    return;
  }
  button.dataset.sure = "asked";
  button.textContent = "Forget everything?";
  setTimeout(() => {
    delete button.dataset.sure;
    button.textContent = "Reset";
  }, 4000);
}

function onLive(live) {
  byId("live").textContent = live ? "live" : "gone; trying again";
  byId("live").dataset.state = live ? "live" : "gone";
  if (live) complain(null);
}

/** Shows what there is, and what comes. */
async function watch() {
  const after = await requests.load();
  source?.close();
  source = listen(after, {
    onRequest: (request) => {
      requests.add(request);
      soon();
    },
    onState: soon,
    onReset: () => attempt(requests.load),
    onLive,
  });
  soon();
}

/** A page that nobody sees gives its connection back: a browser has six for all pages of the sandbox. */
function onVisibility() {
  if (document.hidden) {
    source?.close();
    source = null;
  } else if (source === null) {
    attempt(watch);
  }
}

async function begin() {
  const about = await get("");
  byId("address").textContent = about.url;
  document.title = `Tilia sandbox ${about.url.replace("http://", "")}`;
  const options = { showRequests, tokens: about.token_currency, operations: about.operations, faults: about.faults, events: about.event_names };
  for (const part of [requests, accounts, money, notifications, faults, clock]) part.start(attempt, options);
  for (const tab of tabs) tab.addEventListener("click", () => choose(tab.getAttribute("aria-controls")));
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", () => choose(location.hash.slice(1)));
  beside.addEventListener("change", () => choose(view));
  byId("reset").addEventListener("click", (event) => onReset(event.target));
  document.addEventListener("visibilitychange", onVisibility);
  choose(location.hash.slice(1));
  await watch();
}

begin().catch(complain);
