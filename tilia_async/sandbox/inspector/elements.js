// Elements of the page: made, and kept in step with what the sandbox tells.

export const byId = (id) => document.getElementById(id);

/** Makes an element; what is no attribute of HTML is a property: textContent, onclick. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Shows a list without making anew what is there: focus, open parts and half-written forms stay. */
export function keep(container, things, keyOf, make) {
  const there = new Map([...container.children].map((child) => [child.dataset.key, child]));
  const wanted = things.map((thing) => {
    const key = String(keyOf(thing));
    const child = there.get(key) ?? make(thing);
    child.dataset.key = key;
    child.show?.(thing);
    return child;
  });
  const kept = new Set(wanted);
  for (const child of there.values()) if (!kept.has(child)) child.remove();
  wanted.forEach((child, place) => {
    if (container.children[place] !== child) container.insertBefore(child, container.children[place] ?? null);
  });
}

export const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

export const clockTime = (time) => time.slice(11, 23);

export const badge = (text, kind = "") => element("span", { className: `badge ${kind}`, textContent: text });

/** A piece of a record: what it is, and its value under it. */
export const part = (title, value) =>
  element("div", { className: "part" }, element("h4", { textContent: title }), element("pre", { tabIndex: 0, textContent: pretty(value) }));

/** An id that a click writes into the filter of the requests. */
export const idLink = (id, onclick) =>
  element("button", { type: "button", className: "id", textContent: id, title: `Show the requests of ${id}`, onclick: () => onclick(id) });
