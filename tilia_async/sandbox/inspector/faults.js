// Faults: which wait for a request, and new ones.

import { get, post, remove } from "./api.js";
import { byId, element } from "./elements.js";

export async function load() {
  const told = await get("/faults");
  byId("faults-count").textContent = String(told.faults.length);
  byId("tab-faults").dataset.count = told.faults.length || "";
  const rows = told.faults.map((fault) =>
    element("tr", {},
      element("td", { textContent: fault.operation === "*" ? "every operation" : fault.operation }),
      element("td", { textContent: fault.fault }),
      element("td", { className: "number", textContent: fault.times === null ? "always" : `${fault.times} ×` })));
  byId("fault-list").replaceChildren(
    rows.length ? element("table", {}, element("tbody", {}, ...rows)) : element("p", { className: "empty", textContent: "No fault waits: every request is served well." }));
}

export function start(attempt, options) {
  const form = byId("add-fault");
  form.operation.append(...["*", ...options.operations].map((name) => element("option", { value: name, textContent: name === "*" ? "every operation" : name })));
  form.fault.append(...options.faults.map((name) => element("option", { textContent: name })));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = new FormData(form);
    const number = (name) => (fields.get(name) === "" ? null : Number(fields.get(name)));
    attempt(() => post("/faults", { operation: fields.get("operation"), fault: fields.get("fault"), times: number("times"), seconds: number("seconds") }));
  });
  byId("clear-faults").addEventListener("click", () => attempt(() => remove("/faults")));
}
