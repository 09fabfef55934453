"use strict";
// From the address (#KIND/NAME/…?words=…&page=…) to its place, and the search box.

const PLACES = new Map(Object.entries({
  "": chatPlace, chat: chatPlace, lineage: homePlace, score: scorePlace, model: modelPlace, base: basePlace, corpus: corpusPlace, document: documentPlace,
  entities: entitiesPlace, passages: passagesPlace, passage: passagePlace, call: callPlace, entity: entityPlace, search: searchPlace,
}));
const main = document.querySelector("main");
const searchBox = document.getElementById("search");
let shownPath = null, shows = 0;
let lastDocument = null;

/** Names are decoded one by one, after the address was split: they may hold any character. */
function decoded(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    throw new NotHere("This address is cut off.");
  }
}

async function placeOf(path, query) {
  const [kind, ...names] = path.split("/").map(decoded);
  const shown = known(PLACES, kind, "kind of place");
  if (shown !== chatPlace) await loadIndex();
  return shown(names, query);
}

function notHere(error) {
  if (!(error instanceof NotHere)) throw error;
  return {heading: "Not here", near: null, content: [paragraph(quoted(error.message)), paragraph(link("#lineage", "All scores and documents"))]};
}

async function show() {
  const address = location.hash, number = ++shows;
  const [path, query] = address.slice(1).split(/\?(.*)/s);
  const asked = new URLSearchParams(query ?? "");
  const found = await placeOf(path, asked).catch(notHere);
  if (location.hash !== address || number !== shows) return; // the user has gone on
  const heading = make("h1", {}, found.heading);
  document.title = `${heading.textContent} · closedbook`;
  main.replaceChildren(...[found.near && chain(found.near), heading, ...found.content].filter(part => part));
  main.dataset.shown = address;
  if (document.activeElement !== searchBox) searchBox.value = path === "search" ? asked.get("words") ?? "" : ""; // else it is being written
  lastDocument = found.near?.document ?? lastDocument;
  if (shownPath !== path) scrollTo(0, 0);
  shownPath = path;
}

/** What is shown got another address, as after a letter in a filter: nothing to go back to. */
function readdress(address) {
  history.replaceState(null, "", address);
  main.dataset.shown = location.hash;
}

searchBox.addEventListener("input", () => {
  const address = `#search?${new URLSearchParams({words: searchBox.value})}`;
  if (location.hash.startsWith("#search")) { // one step to go back over, however many letters
    history.replaceState(null, "", address);
    show();
  } else {
    location.hash = address;
  }
});

addEventListener("hashchange", show);
show();
