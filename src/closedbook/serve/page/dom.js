"use strict";
// Elements. Whatever comes from a document or a model becomes a text node: nothing here takes markup.

const ROWS = 50;

function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.flat(Infinity).filter(child => child !== null));
  return made;
}

/** A text from outside on one line, apart from its surroundings: marks that turn the direction of writing end with it. */
const quoted = text => make("bdi", {}, text.replace(/[\u2028\u2029]/g, " ")); // these would end the isolation too
/** Some of a text, without the half of a character where a cut goes through one. */
const cut = (text, from, to) => text.slice(from, to).replace(/^[\udc00-\udfff]|[\ud800-\udbff]$/g, "");
const code = text => make("code", {}, text);
const soft = text => make("span", {class: "soft"}, text);
const paragraph = (...children) => make("p", {}, ...children);
const number = value => value.toLocaleString("en");
const count = (value, word, words = `${word}s`) => `${number(value)} ${value === 1 ? word : words}`;
const commas = nodes => nodes.flatMap((node, place) => place ? [", ", node] : [node]);
/** What a search looks at to find a document. */
const about = one => `${one.title} ${one.author ?? ""} ${one.year ?? ""} ${one.id}`;
const accuracy = (mean, error) => mean === null ? "–" : mean.toFixed(3) + (error === null ? "" : ` ± ${error.toFixed(3)}`);

/** The address of a place: its kind, then names. */
const place = (...names) => "#" + names.map(encodeURIComponent).join("/");
const link = (address, text) => make("a", {href: address}, quoted(text));

function section(heading, ...children) {
  return make("section", {}, make("h2", {}, heading), ...children);
}

/** Title, author and year of a document as nodes, as far as they are known. */
const byline = one => [quoted(one.title), one.author ? [" by ", quoted(one.author)] : null, one.year ? `, ${one.year}` : null];

/** [term, what] pairs; those whose what is null or an empty list are left out. */
function facts(pairs) {
  const rows = pairs.filter(([, what]) => what !== null && what?.length !== 0);
  return make("dl", {}, rows.map(([term, what]) => [make("dt", {}, term), make("dd", {}, typeof what === "number" ? number(what) : what)]));
}

/** `columns`: [heading, row => what to show, "n" where it is a number]. */
function table(rows, columns) {
  const cell = (tag, what, kind) => make(tag, kind ? {class: kind} : {}, typeof what === "number" ? number(what) : what);
  return make("div", {class: "scroll"}, make("table", {},
    make("thead", {}, make("tr", {}, columns.map(([heading, , kind]) => cell("th", heading, kind)))),
    make("tbody", {}, rows.map(row => make("tr", {}, columns.map(([, shown, kind]) => cell("td", shown(row), kind)))))));
}

/** The words of a query; a text matches when it holds them all. */
const wordsOf = query => (query ?? "").toLowerCase().split(/\s+/).filter(word => word);
const holds = (text, words) => words.every(word => text.toLowerCase().includes(word));

/**
 * A table of fifty rows at a time with a filter. Filter and page stand in the address, so that going back finds them again.
 * `textOf` gives the text that the filter searches; `kinds`, where given, are values of row.kind to choose from.
 */
function listing({address, query, rows, columns, textOf, kinds = []}) {
  const shown = make("div", {});
  const filter = make("input", {type: "search", placeholder: "filter by words", "aria-label": "Filter by words"});
  filter.value = query.get("words") ?? "";
  const choice = make("select", {"aria-label": "Kind"}, make("option", {value: ""}, "every kind"),
    kinds.map(kind => make("option", {value: kind}, kind)));
  choice.value = query.get("kind") ?? "";
  const draw = () => {
    const words = wordsOf(query.get("words")), kind = query.get("kind");
    const found = rows.filter(row => (!kind || row.kind === kind) && holds(textOf(row), words));
    const last = Math.max(1, Math.ceil(found.length / ROWS));
    const page = Math.min(last, Math.max(1, Number(query.get("page")) || 1));
    shown.replaceChildren(pager(address, query, page, last, found.length, rows.length),
      table(found.slice((page - 1) * ROWS, page * ROWS), columns));
  };
  const revise = (name, value) => {
    query.delete("page");
    value ? query.set(name, value) : query.delete(name);
    readdress(`${address}?${query}`);
    draw();
  };
  filter.addEventListener("input", () => revise("words", filter.value));
  choice.addEventListener("change", () => revise("kind", choice.value));
  draw();
  return make("div", {class: "listing"}, make("div", {class: "filter"}, filter, kinds.length > 1 ? choice : null), shown);
}

function pager(address, query, page, last, found, all) {
  const to = (target, text) => {
    const other = new URLSearchParams(query);
    other.set("page", target);
    return target < 1 || target > last ? soft(text) : make("a", {href: `${address}?${other}`}, text);
  };
  const range = found ? `${number((page - 1) * ROWS + 1)}–${number(Math.min(found, page * ROWS))} of ${number(found)}` : "none";
  return make("p", {class: "pager"}, range + (found < all ? ` (of ${number(all)})` : ""),
    last > 1 ? [to(page - 1, "‹ before"), to(page + 1, "after ›")] : []);
}
