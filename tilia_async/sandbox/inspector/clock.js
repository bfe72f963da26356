// The sandbox's clock, which runs on here between two looks at it.

import { get, post } from "./api.js";
import { byId } from "./elements.js";

let ahead = 0;
let offset = 0;

function lead(seconds) {
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  let left = Math.round(seconds);
  const said = [];
  for (const [unit, size] of parts) {
    if (left >= size) said.push(`${Math.floor(left / size)} ${unit}`);
    left %= size;
  }
  return said.length ? ` (+${said.join(" ")})` : "";
}

function show() {
  byId("now").textContent = new Date(Date.now() + offset).toISOString().slice(0, 19).replace("T", " ") + lead(ahead);
}

export async function load() {
  const told = await get("/clock");
  ahead = told.ahead;
  offset = Date.parse(told.now) - Date.now();
  show();
}

export function start(attempt) {
  for (const button of byId("clock").querySelectorAll("button")) {
    button.addEventListener("click", () => attempt(() => post("/clock", { seconds: Number(button.dataset.seconds) })));
  }
  setInterval(show, 1000);
}
