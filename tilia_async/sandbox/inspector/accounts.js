// The accounts: wallets, blocks, ways to pay, and what can be done to them.

import { get, post } from "./api.js";
import { badge, byId, element, idLink, keep } from "./elements.js";

const MOST_SHOWN = 200;
let act;
let showRequests;
let tokens;

function walletRow(wallet) {
  return element("tr", {},
    element("td", { textContent: wallet.kind }),
    element("td", { className: "number", textContent: wallet.display }),
    element("td", {}, element("code", { textContent: wallet.wallet_id })));
}

function deed(text, run, kind = "") {
  return element("button", { type: "button", className: kind, textContent: text, onclick: () => act(run) });
}

function fundForm(id) {
  const form = element("form", { className: "bar" },
    element("input", { name: "amount", type: "number", min: "1", step: "1", required: true, placeholder: "Amount, e.g. 1250", "aria-label": "Amount, in the smallest unit" }),
    element("select", { name: "currency", "aria-label": "Currency" }, ...["USD", tokens].map((code) => element("option", { textContent: code }))),
    element("button", { textContent: "Fund" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = new FormData(form);
    act(() => post("/fund", { account_id: id, amount: Number(fields.get("amount")), currency: fields.get("currency") }));
  });
  return form;
}

function make(account) {
  const id = account.account_id;
  const summary = element("summary");
  const facts = element("dl");
  const wallets = element("tbody");
  const card = element("details", { className: "card" }, summary,
    facts,
    element("table", {}, wallets),
    fundForm(id),
    element("div", { className: "bar" },
      deed("Add card", () => post("/payment-methods", { account_id: id })),
      deed("Add PayPal", () => post("/payment-methods", { account_id: id, kind: "paypal" })),
      deed("Accept KYC", () => post("/kyc", { account_id: id })),
      deed("Sign terms", () => post("/tos", { account_id: id })),
      deed("Block as Tilia", () => post(`/accounts/${encodeURIComponent(id)}/block`), "danger")));
  card.show = (now) => {
    const balances = now.wallets.filter((wallet) => wallet.balance).map((wallet) => wallet.display);
    summary.replaceChildren(
      element("strong", { textContent: now.username }),
      ...now.blocks.map((block) => badge(`blocked by ${block.issuer}`, "bad")),
      element("span", { className: "money", textContent: balances.join(" · ") || "nothing" }));
    facts.replaceChildren(
      ...fact("Account", idLink(id, showRequests)),
      ...fact("E-mail", now.email ?? "none"),
      ...fact("Created", now.created),
      ...fact("KYC", `${now.kyc.state}, ${now.kyc.pii_level}`),
      ...fact("Terms", now.signed_tos ? "signed" : "not signed"),
      ...(now.payment_methods.length
        ? now.payment_methods.flatMap((method) => fact(method.display_string, element("code", { textContent: method.id })))
        : fact("Pays with", "wallets only")));
    wallets.replaceChildren(...(now.wallets.length ? now.wallets.map(walletRow) : [element("tr", {}, element("td", { className: "empty", textContent: "The wallets have not appeared yet." }))]));
  };
  return card;
}

/** Makes a term and what is said of it. */
const fact = (name, value) => [element("dt", { textContent: name }), element("dd", {}, value)];

export async function load() {
  const text = byId("search").value.trim();
  const told = await get(`/accounts?limit=${MOST_SHOWN}&search=${encodeURIComponent(text)}`);
  byId("accounts-count").textContent = told.total > MOST_SHOWN ? `${MOST_SHOWN} of ${told.total}` : String(told.total);
  byId("accounts-empty").hidden = told.total > 0;
  byId("accounts-empty").textContent = text ? "No account has this in its name, address or id." : "There are no accounts yet.";
  keep(byId("account-list"), told.accounts, (account) => account.account_id, make);
}

export function start(attempt, options) {
  act = attempt;
  ({ showRequests, tokens } = options);
  byId("search").addEventListener("input", () => attempt(load));
  byId("add-account").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    const fields = new FormData(form);
    attempt(async () => {
      await post("/accounts", { username: fields.get("username"), email: fields.get("email") || null });
      form.reset();
    });
  });
}
