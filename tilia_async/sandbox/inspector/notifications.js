// Notifications: to whom, with which answers; URLs are registered and events brought about.

import { get, post } from "./api.js";
import { badge, byId, clockTime, element, keep, part } from "./elements.js";

/** Equal answers in a row are one badge. */
function answersOf(notification) {
  const runs = [];
  for (const answer of notification.answers) {
    if (runs.length && runs.at(-1).answer === answer) runs.at(-1).times += 1;
    else runs.push({ answer, times: 1 });
  }
  return runs.map(({ answer, times }) =>
    badge(`${answer ?? "no answer"}${times > 1 ? ` × ${times}` : ""}`, answer >= 200 && answer < 300 ? "good" : "bad"));
}

function make(notification) {
  const summary = element("summary");
  const card = element("details", { className: "card" }, summary, part("Body", notification.body));
  card.show = (now) => {
    const answers = answersOf(now);
    summary.replaceChildren(
      element("strong", { textContent: now.event_name }),
      ...(answers.length ? answers : [badge("under way", "open")]),
      element("span", { className: "dim", textContent: `${clockTime(now.body.sent_at)} → ${now.url}` }));
  };
  return card;
}

export async function load() {
  const [sent, webhooks] = await Promise.all([get("/notifications?limit=200"), get("/webhooks")]);
  byId("notifications-count").textContent = String(sent.total);
  byId("webhook-list").replaceChildren(
    ...(webhooks.webhooks.length
      ? webhooks.webhooks.map((webhook) => element("li", {}, element("code", { textContent: webhook.url }), ` takes ${webhook.events?.join(", ") ?? "all events"}`))
      : [element("li", { className: "empty", textContent: "No URL is registered: nothing is notified." })]));
  // Numbered from the oldest, so that one keeps its number when others follow it.
  keep(byId("notification-list"), sent.notifications.map((each, place) => ({ ...each, place: sent.total - place })), (each) => each.place, make);
}

export function start(attempt, options) {
  byId("trigger").event_name.append(...options.events.map((name) => element("option", { textContent: name })));
  byId("register").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    attempt(async () => {
      await post("/webhooks", { url: new FormData(form).get("url") });
      form.reset();
    });
  });
  byId("trigger").addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = new FormData(event.target);
    attempt(() => post("/trigger", { event_name: fields.get("event_name"), account_id: fields.get("account_id").trim() || null }));
  });
}
