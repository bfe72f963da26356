// Invoices, escrows and payouts, each with its state.

import { get } from "./api.js";
import { badge, byId, element, idLink, keep } from "./elements.js";

const GOOD = new Set(["SUCCESS", "COMMITTED", "ESCROWED"]);
const BAD = /FAIL|REJECT/;
let showRequests;

function kindOf(state) {
  if (GOOD.has(state)) return "good";
  return BAD.test(state) ? "bad" : "warn";
}

function line(state, words, id, more) {
  return (thing) => {
    const card = element("div", { className: "card line" });
    card.show = (now) => {
      const shown = JSON.stringify(now);
      if (card.shown === shown) return;
      card.shown = shown;
      card.replaceChildren(
        element("div", {}, badge(state(now), kindOf(state(now))), element("strong", { textContent: now.display }), element("span", { className: "dim", textContent: words(now) })),
        element("div", {}, idLink(id(now), showRequests), element("span", { className: "dim", textContent: " of " }), idLink(now.account_id, showRequests)),
        element("div", { className: "dim", textContent: more(now) }));
    };
    card.show(thing);
    return card;
  };
}

const VIEWS = {
  invoices: {
    list: "invoice-list",
    key: (bill) => bill.invoice_id,
    make: line((bill) => bill.state, (bill) => bill.type + (bill.refunded ? `, ${bill.refunded} refunded` : ""), (bill) => bill.invoice_id, (bill) => bill.updated),
  },
  escrows: {
    list: "escrow-list",
    key: (deal) => deal.escrow_id,
    make: line((deal) => deal.status, () => "", (deal) => deal.escrow_id, (deal) => `${deal.updated} · ${deal.invoices.join(" → ")}`),
  },
  payouts: {
    list: "payout-list",
    key: (payout) => payout.payout_status_id,
    make: line((payout) => payout.status, () => "", (payout) => payout.payout_status_id, (payout) => payout.updated),
  },
};

export const loader = (name) => async () => {
  const view = VIEWS[name];
  const told = await get(`/${name}?limit=200`);
  byId(`${name}-count`).textContent = String(told.total);
  const list = byId(view.list);
  if (told.total) keep(list, told[name], view.key, view.make);
  else list.replaceChildren(element("p", { className: "empty", textContent: `There are no ${name} yet.` }));
};

export function start(_attempt, options) {
  ({ showRequests } = options);
}
